"""Runs in the confined process, before the program: the standard library only, and nothing else of the engine.

The package is found on its own, as `inside`, not as a part of `engine`.
"""
