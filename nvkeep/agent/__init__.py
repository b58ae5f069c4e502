"""The resident: the loop that starts passes, the standby's ARP monitor, upgrades of itself, and the timer's interval."""
