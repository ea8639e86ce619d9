"""Statements: what is asked of a table, as SQL text with its slots and its reader, cached by shape."""
