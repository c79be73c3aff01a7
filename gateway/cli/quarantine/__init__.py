"""``gateway quarantine``: what was refused or failed: look at it, send it again, drop it."""
