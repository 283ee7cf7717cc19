"""Fitting sine networks to images, many at once, and quantizing them layer by layer."""
