"""What a visitor holds and what a page computes; no Gradio."""
