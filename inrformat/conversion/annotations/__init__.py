"""What is known of images beside their class: read from the formats people keep it in, and given to the right image."""
