"""Judges a model's code by tests, where neither can reach the other: one sandbox for each, and plain data between them.

plain, candidate_program and tests_program run in the sandboxes, as text; relay stands between them, in the engine.
"""
