"""Images to networks: fitting, quantization and the records that come of it."""
