"""What somebody orders by hand: recorded first, then carried out by ordinary passes, here and on other hosts."""
