"""example:
  nvkeep diff          what a pass would do on this host now, with the drift in words and as a tree

exit codes:
  0  nothing to do
  2  changes
  1  error: cluster.yaml is wrong, or something is unknown
"""  # noqa: D400, D205 - printed by --help

from nvkeep.cli.plan import options, run

__all__ = ["options", "run"]
