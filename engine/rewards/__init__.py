"""Reward functions in TRL's calling convention, the built-in library, and scoring. Light: no torch."""
