"""`python -m rowstead`: the same as the `rowstead` command."""

import sys

from rowstead.cli import main

if __name__ == "__main__":
    sys.exit(main())
