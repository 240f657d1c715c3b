"""Sampling: G completions for each prompt."""
