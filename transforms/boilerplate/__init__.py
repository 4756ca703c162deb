"""Telling furniture from content: rule packs, and where they meet the extractor's verdict."""
