"""nvkeep keeps a service alive on two or more Linux servers that share a block volume."""

__version__ = "0.1.0"
