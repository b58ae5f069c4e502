"""Everything that touches the machine: the Host protocol and LocalHost. No other room runs a command or opens a host's file."""

from nvkeep.host.base import Completed, Host
from nvkeep.host.files import UNFINISHED
from nvkeep.host.local import LocalHost
from nvkeep.host.text import first, last, lines, load

__all__ = ["UNFINISHED", "Completed", "Host", "LocalHost", "first", "last", "lines", "load"]
