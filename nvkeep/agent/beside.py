"""What the agent does beside the passes, each in a thread of its own: compare the hosts, tell somebody, write the page."""

import threading
from collections.abc import Callable

from nvkeep.agent.comparing import Comparing
from nvkeep.agent.notifying import Notifying
from nvkeep.agent.reporting import Reporting
from nvkeep.host import Host
from nvkeep.model.spec import Cluster


def start(host: Host, cluster: Callable[[], Cluster | None]) -> None:
    """Start the threads; `cluster` gives the configuration in force, if any."""
    for beside in (Comparing(host), Notifying(host), Reporting(host)):
        threading.Thread(target=beside.run, args=(cluster,), daemon=True).start()
