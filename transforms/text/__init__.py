"""Plain text: words, repair, addresses."""
