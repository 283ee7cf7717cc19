"""What compiled GPU code tells without a GPU: its instructions by class, its loops, and how much of it fits at once."""
