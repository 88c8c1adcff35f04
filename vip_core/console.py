"""Standard error for people, so that standard output can hold results alone."""

from rich.console import Console

console = Console(stderr=True)
