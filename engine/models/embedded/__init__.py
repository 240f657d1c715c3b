"""The character model that ships with the package: its weights, its tokenizer, and make.py, which made them."""
