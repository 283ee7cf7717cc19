"""Network families: a folder each, what every family offers (``family.py``), and the registry of them."""
