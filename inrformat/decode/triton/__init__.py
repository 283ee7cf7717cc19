"""The fused CUDA decoder, written in Triton: records to pixels without weights or activations of a pixel in memory.

``launch.decode`` is the entry; ``plan.plan_of`` finds once what a file needs. Of each family one kernel reads records
(``rans.py``, ``nodes.py``, ``read_cells.py``, ``read_siren.py``) and others evaluate (``cells_aligned.py``,
``cells_general.py``, ``siren.py``). Programs of samples that are another kernel's, by family or by whether an aligned
map shrinks, leave at once: batches mix freely, and what few samples need costs the others no registers.

What must move and be computed, for judging a measurement (H x W output, h x w native pixels, C = 3):

=================  ==============================================  ==============================================
path               bytes a sample                                  multiply-adds an output pixel
=================  ==============================================  ==============================================
floor              record + C H W out                              cells 30 separable, 200 general; siren P
read cells         record + 2 x 2 C h w (area cleared, symbols)    about 20 integer steps a symbol
cells aligned      2 C h w symbols, read once a tile + output      (64 C + 2 x 15) for each block and cell side seen:
                                                                   400 to 900 as TF32 products
cells general      2 bytes a coefficient and tap, from cache       64 C for 8 px cells; C (extent^2 / 2) for greater
                   + output                                        ones; times taps
siren              4 P a tile of 256 pixels, from cache + output   L PAD^2 float16 products, 12 a sine;
                                                                   shrinking by s: times about (s + (s + 8) / 16)^2
=================  ==============================================  ==============================================
"""
