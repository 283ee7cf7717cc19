"""The Triton kernels of ``siren``."""
