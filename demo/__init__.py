"""The web demo: Gradio pages over vip_core."""
