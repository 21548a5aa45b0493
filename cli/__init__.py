"""The `groundline` command."""
