"""The synchronous twin of `rowstead.rows`."""
