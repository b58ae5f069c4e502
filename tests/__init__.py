"""Tests of nvkeep."""
