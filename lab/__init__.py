"""Two or more real servers on one machine: systemd, keepalived, PostgreSQL and a volume that fences.

from lab.cluster import Lab
from lab.client import Writer

with Lab() as lab:
    lab["srv-a"].run(("systemctl", "is-system-running"))
"""
