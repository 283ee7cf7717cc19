"""Working with .inrd files: parts of them, several together, and what is in them. Records are copied, never encoded."""
