"""Work of several statements, without I/O: many rows, pages, counters, parents found again."""
