"""The CPU decoder of ``siren``."""
