"""How fast Rowstead is beside the bare driver: `python -m benchmarks`. Nothing here is asserted in seconds."""
