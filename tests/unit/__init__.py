"""Mirrors the package: pure parts, no root, tables."""
