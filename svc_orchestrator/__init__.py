"""The conversation orchestrator: open, escalated, resolved; and the turn that leads from one to the other."""
