"""The kit for threads, generated from `rowstead.kit`."""
