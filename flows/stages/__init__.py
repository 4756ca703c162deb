"""The stages of a run: read, resolve, assemble."""
