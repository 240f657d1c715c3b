"""Built-in tasks: endless examples made on the fly, each from its seed alone."""
