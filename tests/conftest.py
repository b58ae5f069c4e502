"""Gives every worker of pytest-xdist a lane of its own for its labs, before anything of the lab is imported."""

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["NVKEEP_LAB_LANE"] = os.environ["PYTEST_XDIST_WORKER"]

gc.set_threshold(100_000)  # as nvkeep's launcher has it: looking for garbage in what stays is a twentieth of the time
