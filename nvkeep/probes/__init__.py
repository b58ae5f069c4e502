"""What can be seen: one source of truth on the host a file; parse() is pure."""
