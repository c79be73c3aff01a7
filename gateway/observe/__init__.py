"""Observability: the stream of events, and its subscribers.

Events come in from the drivers; lines of the log and of the audit log go out. It depends on
messages, errors and queue entries, not on services.
"""
