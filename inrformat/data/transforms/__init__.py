"""Torchvision pipelines in two halves: geometry, evaluated in coordinates, and the rest, on the decoded batch."""
