"""One pass over one service: look, decide, act, record, set the flag. Agent, timer and administrator run the same."""

import logging
import traceback
from contextlib import suppress

from nvkeep import log
from nvkeep.core.liveness import Watched
from nvkeep.core.one_pass import Pass
from nvkeep.core.scope import Scope
from nvkeep.errors import Busy, NvkeepError
from nvkeep.host import Host
from nvkeep.model.decision import Action, Holder
from nvkeep.model.report import Outcome, Report, Word
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster


def run_pass(
    host: Host, cluster: Cluster, service: str, watched: Watched = lambda: None, *,
    role: Role | None = None, wait: float | None = None, anew: bool = True,
) -> Report:  # fmt: skip
    """Make one pass; always a Report, so that the trouble of one service is never another's. Raises PermissionError.

    `role`: assumed for this pass, because somebody has ordered it; `wait`: for another pass, in seconds; not `anew`: nothing
    has happened, so what keepalived said last will do, but not to take a volume.
    """
    try:
        return Pass(Scope(host, cluster, service), watched, role=role, wait=wait, anew=anew).run()
    except Busy as error:
        why = str(error)
        _lower_unless_held(Scope(host, cluster, service))
    except NvkeepError as error:
        why = str(error)
    except PermissionError:
        raise
    except FileNotFoundError as error:  # somebody has emptied /run/nvkeep under this pass
        why = f"{error.filename} is gone while this pass writes it; the next pass makes it again"
    except Exception as error:  # noqa: BLE001 - a bug in nvkeep: reported whole, and the next pass tries again
        why = f"a bug in nvkeep, please report it: {''.join(traceback.format_exception(error))}"
    log.note(f"{service}: {why}", logging.ERROR, service=service)
    return Report(service, 0, Action.WAIT, why, (Outcome(service, Word.UNKNOWN, why),))


def _lower_unless_held(scope: Scope) -> None:
    """Take the role from a host whose pass does not come to its turn, unless it holds: it could do nothing with it."""
    with suppress(NvkeepError, OSError):
        if not scope.store.claimed() and all(volume.holder(scope.host).holder is not Holder.ME for volume in scope.volumes):
            scope.store.save_flag(up=False)
