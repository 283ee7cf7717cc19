"""Network families: descriptors, record codecs and reference evaluation. One file a family."""
