"""What a training script holds in its hands: the torchvision data set over an .inrd file."""
