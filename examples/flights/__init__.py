"""Rowstead's main job on real data: every flight that left New York City in 2013, typed, in a database.

    make demo
    make demo ARGS=--keep

`models.py` describes the tables, `migrations/` makes them, `dataset.py` reads the files, `load.py`
fills the tables, `questions.py` asks and changes, `terminal.py` shows it.
"""
