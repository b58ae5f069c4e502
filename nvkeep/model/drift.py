"""How far what was seen is from what should be, in words. The only user of deepdiff, and only where people read it."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from deepdiff import DeepDiff

from nvkeep.model.plan import Ref


def flat(state: object) -> Any:  # noqa: ANN401 - plain data of any shape
    """Turn a State into plain data that can be compared and printed."""
    if is_dataclass(state) and not isinstance(state, type):
        return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in asdict(state).items()}
    return None if state is None else str(state)


def tree(desired: Mapping[Ref, object], observed: Mapping[Ref, object]) -> str:
    """Give deepdiff's own account, one line a difference; empty when there is none."""
    old = {str(key): flat(state) for key, state in observed.items()}
    new = {str(key): flat(state) for key, state in desired.items()}
    return str(DeepDiff(old, new, threshold_to_diff_deeper=0).pretty())


def words(key: str, desired: object, observed: object) -> str:
    """Say in one line how one resource differs."""
    if observed is None:
        return f"{key} is absent"
    if desired is None:
        return f"{key} is there, and should not be"
    old, new = flat(observed), flat(desired)
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{key} is {old}"
    differs = [f"{name} is {old.get(name)}, should be {value}" for name, value in new.items() if old.get(name) != value]
    return f"{key}: {'; '.join(differs)}"
