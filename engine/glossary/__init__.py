"""Every number that a page shows or the store keeps: its name, unit, meaning, and what to look for.

The run store makes its columns from METRICS, charts take their labels and captions from it, and the docs print it.
"""

from engine.glossary.metric import Metric
from engine.glossary.per_step import METRICS
from engine.glossary.terms import TERMS

__all__ = ["METRICS", "TERMS", "Metric"]
