"""Correcting doubtful lines in a browser; the next run uses the answers."""
