"""Data sets back to files that other programs read."""
