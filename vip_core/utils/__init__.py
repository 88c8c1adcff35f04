"""Files, paths, device and console."""
