"""From names to files, objects and the pieces of them that tasks read."""
