"""``gateway call``: one call through the queue, its reply shown."""
