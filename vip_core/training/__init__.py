"""Training of the prompts: configuration, loop, run."""
