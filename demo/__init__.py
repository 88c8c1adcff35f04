"""The web demo: Gradio pages over vip_core."""

DISCLAIMER = "Research use only, not a medical device."
