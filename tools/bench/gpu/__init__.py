"""Everything that only a GPU can tell, in one call: ``tools/bench/on_gpu.py``."""
