"""Text towers: one file per kind that open_clip can build, behind one interface."""
