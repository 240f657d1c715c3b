"""The policy, its tokenizer and its reference. catalog.py is light; the rest needs torch."""
