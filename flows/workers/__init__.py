"""Processes, their limits and their memory."""
