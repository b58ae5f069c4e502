"""The reconcile loop: observe, decide (model/decision.py), plan, run, observe again, record."""
