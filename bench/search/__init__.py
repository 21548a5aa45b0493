"""Search at size: synthetic knowledge bases, what is asked of them, and how fast and how exactly it is found."""
