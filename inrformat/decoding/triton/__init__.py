"""The fused CUDA decoder, written in Triton: records to pixels without weights or activations of a pixel in memory.

``launch.decode`` is the entry; ``plan.plan_of`` finds once what a file needs. What networks are is the families' own:
``backend.py`` says what each offers, one kernel that reads records and others that evaluate networks; the other rooms
hold what their kernels share.

In kernels, values that belong together are named tuples: Triton has known these since it has known tuples (3.3), in
the interpreter and compiled. Kernels themselves take plain arguments, by name: what belongs together on the host is
expanded by ``_asdict``.
"""
