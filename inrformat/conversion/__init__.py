"""Folders of images to .inrd files."""
