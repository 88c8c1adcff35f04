"""Reusable pieces of pages: Gradio wiring only."""
