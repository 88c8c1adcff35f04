"""The static page in a real browser."""
