"""The same work by Rowstead and by the libraries that users would pick: `python -m benchmarks.peers`."""
