"""The languages of a caller: filters, sorts and aggregates, read to shapes and made SQL expressions."""
