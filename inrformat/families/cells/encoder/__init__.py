"""Images to ``cells`` networks, in closed form.

The way of an image: ``fit`` (weights of every possible cell), ``choose`` (the class of every node), ``quantize``
(integers), ``reconstruct`` (what the decoder will give back). ``numba_engine`` and ``torch_engine`` go that way.

The way to a codebook: ``initialization`` and ``learn`` (classes and tables from a sample), ``train`` (the step that a
target needs on it), ``builtin`` (whether a built-in codebook is cheaper), ``calibrate`` (the step that the whole set
needs). ``encoder`` goes that way and hands over to ``trained``.
"""
