"""How fast Rowstead is beside the bare driver: `python -m benchmarks`. No seconds are asserted."""
