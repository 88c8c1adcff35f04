"""Between the network and the page: who may ask, for what, how much, and what is answered and logged."""

from .launch import launch

__all__ = ["launch"]
