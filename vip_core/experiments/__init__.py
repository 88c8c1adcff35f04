"""The paper's tables and figures: runs as folders, and tables that are made from their predictions alone."""
