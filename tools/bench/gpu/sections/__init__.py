"""One file per kind of measurement. Each has ``measure``, which yields what it finds as it finds it.

A finding is a dict of plain values with "what", its name. One with "passed" is a check: it says what must hold.
"""
