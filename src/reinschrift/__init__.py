"""Reinschrift turns scraped web pages into a validated Parquet corpus."""
