"""Kernels run on a GPU where there is one, else in Triton's interpreter, which must be chosen before Triton loads."""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
