"""Files that the lab puts into every server."""
