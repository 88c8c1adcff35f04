"""Images, tables, splits, data sets and cached features."""
