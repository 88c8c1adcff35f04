"""The methods that ViP is compared with, each a small learner over a frozen backbone, and the registry of them all."""

from vip_core.baselines.registry import METHODS, Method

__all__ = ["METHODS", "Method"]
