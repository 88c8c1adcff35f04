"""HTML, SVG and PDF from plain data; no Gradio."""
