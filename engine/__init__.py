"""The GRPO engine: everything that trains, records and reads runs. It never imports the dashboard."""

__version__ = "0.1.0"
