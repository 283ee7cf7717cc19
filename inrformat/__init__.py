"""inrformat: image data sets as one file of small neural networks."""

__version__ = "0.1.0.dev0"
