"""Archives of images: scoring them resumably into Parquet, on this machine or on a Ray cluster."""
