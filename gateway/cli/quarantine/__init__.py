"""``gateway quarantine``: what was refused or failed: look at it, send it again, drop it.

Ids come in, lines and settled entries go out. It knows queues and settings.
"""
