"""Pure data and pure functions: nothing in this room touches the host."""
