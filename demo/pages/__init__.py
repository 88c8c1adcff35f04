"""The pages of the demo, one per file."""
