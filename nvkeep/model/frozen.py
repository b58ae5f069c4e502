"""The base of everything that cluster.yaml may say."""

from pydantic import BaseModel, ConfigDict

# Tags start with TAG, so that a place in an error (pydantic puts tags into it) can be distinguished from a place in the file.
TAG = "~"


class Frozen(BaseModel):
    """Base of everything read from YAML: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)
