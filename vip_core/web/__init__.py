"""The static page's model: vip-mini as ONNX, the files of checkpoints, and the browser's runtime."""
