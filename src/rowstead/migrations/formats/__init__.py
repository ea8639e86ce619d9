"""Formats of migrations: each is one module with `load(folder, syntax) -> list[Migration]`."""
