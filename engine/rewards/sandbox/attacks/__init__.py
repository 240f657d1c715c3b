"""The attacks: each a small program that tries one thing, reads what to aim at from targets.json, and is run as text.

It prints "CLAIM ..." for what it achieved, where that shows nowhere else, and "TRIED" once it has tried everything.
"""
