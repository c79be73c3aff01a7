"""The embedded queue: one SQLite file, many processes on one machine, no server.

Messages come in, deliveries and replies go out. It depends on the modules that all queues share.
The home of SQLite.
"""
