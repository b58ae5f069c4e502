"""Many hosts, one clock, injected deaths: nvkeep is run against a simulated world."""
