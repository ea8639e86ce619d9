"""One program for each side: it does the same work in its own environment, told what by lines of JSON."""
