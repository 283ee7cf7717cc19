"""The Triton kernels of ``cells``."""
