"""One image, in whatever form it comes, to uint8 pixels in sRGB."""
