"""Quality signals, and rules over them."""
