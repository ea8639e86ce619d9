"""The synchronous drivers, generated from `rowstead.drivers` but for the words of waiting."""
