"""``gateway call``: one call through the queue, its reply shown.

Words of a command line come in, a reply or a fault as text goes out. It knows the client,
contracts and settings.
"""
