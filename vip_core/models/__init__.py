"""The frozen backbone, the prompts over it, and what a trained checkpoint holds."""
