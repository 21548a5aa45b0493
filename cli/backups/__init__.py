"""Backups of a one-machine stack: taken while it serves, rehearsed, kept, and restored to any moment."""

from cli.backups.restoring import Restored, restore
from cli.backups.taking import Taken, take_backup

__all__ = ["Restored", "Taken", "restore", "take_backup"]
