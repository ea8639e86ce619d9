"""What a written value must be: types, widths, rules and checks, held to in Python; no SQL."""
