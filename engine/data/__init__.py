"""Examples: from built-in tasks and from files. Light, but for prompts.py, which needs a tokenizer."""
