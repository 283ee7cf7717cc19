"""Where the bytes of a file come from: a local file, or one that is elsewhere, by ranges through a local cache."""
