"""Between the network and the page: who may request what and how much, and what is returned and logged."""

from .launch import launch

__all__ = ["launch"]
