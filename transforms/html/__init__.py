"""HTML: flattened into blocks, with what the page says about itself."""
