"""What a table is, what its declarations are called, and what a caller may see of it."""
