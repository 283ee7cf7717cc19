"""The libraries that training scripts are written with: one module for each that needs more than it finds already."""
