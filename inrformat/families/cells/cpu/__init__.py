"""The CPU decoder of ``cells``."""
