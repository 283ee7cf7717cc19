"""The fused CUDA decoder, written in Triton: records to pixels without weights or activations of a pixel in memory."""
