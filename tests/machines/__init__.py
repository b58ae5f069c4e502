"""Facts about real storage."""
