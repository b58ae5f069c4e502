"""Unmounting a busy file system: who blocks it, and the escalation that ends them by policy."""
