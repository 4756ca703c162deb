"""Reinschrift: what runs."""
