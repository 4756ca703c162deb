"""Peers that do the same work, beside ours, in one command: `python -m benchmarks.peers`."""
