"""Drivers: one module per database library, the pool beside them, URLs to choose one."""
