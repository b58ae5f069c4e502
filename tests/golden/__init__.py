"""Captured output and the value it stands for; a new case is a new pair of files."""
