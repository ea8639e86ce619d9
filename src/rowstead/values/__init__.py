"""How values travel: each kind of column, out to each driver and back."""
