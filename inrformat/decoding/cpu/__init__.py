"""The fused CPU decoder: record bytes to finished pixels, one image per thread, compiled by numba at first use.

What the crop does not touch is not evaluated, weights that are zero cost nothing, and no more than one image's
activations exist at a time.
"""
