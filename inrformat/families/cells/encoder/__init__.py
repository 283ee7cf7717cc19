"""Images to ``cells`` networks: closed-form fit, rate-distortion decisions, codebook training."""
