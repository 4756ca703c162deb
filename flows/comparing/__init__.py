"""Versions of a corpus beside each other: what there is, what changed, what can be made again."""
