"""keepalived: its configuration for one host, what it says about roles, and what of it stands on the host.

`place` (putting the configuration in place) and `traps` (what is wrong with it) are imported where they are used.
"""

from nvkeep.keepalived.answers import ask, heard
from nvkeep.keepalived.conf import Build, configuration
from nvkeep.keepalived.drift import drifted
from nvkeep.keepalived.dump import parse
from nvkeep.keepalived.names import CHILD_PID, CONF, FIFO, FIX, PART, instances, service_of
from nvkeep.keepalived.roles import ONLY_ROOT
from nvkeep.keepalived.version import Version

__all__ = [
    "CHILD_PID",
    "CONF",
    "FIFO",
    "FIX",
    "ONLY_ROOT",
    "PART",
    "Build",
    "Version",
    "ask",
    "configuration",
    "drifted",
    "heard",
    "instances",
    "parse",
    "service_of",
]
