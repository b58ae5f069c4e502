"""What pydantic makes of the model: documents checked against it, and its JSON Schema. The only user of pydantic's reader."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from nvkeep.model.spec import BACKENDS, Cluster, VolumeSpec
from nvkeep.reconcilers import backends


@cache
def _adapter() -> TypeAdapter[Cluster]:
    backends.register()
    return TypeAdapter(Cluster)


def cluster(document: Mapping[Any, Any]) -> Cluster:
    """Give what a document says. Raises pydantic's ValidationError with everything that it may not say."""
    return _adapter().validate_python(document)


def volume(document: Mapping[str, Any]) -> VolumeSpec:
    """Give what a document says of one volume. Raises pydantic's ValidationError."""
    backends.register()
    return TypeAdapter(BACKENDS[document["backend"]]).validate_python(document)


@cache
def schema() -> dict[str, Any]:
    """Give the JSON Schema of cluster.yaml."""
    return _adapter().json_schema()
