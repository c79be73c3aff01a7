"""What can be seen of a gateway from outside: the stream of events, and who subscribes to it.

Events come in from the drivers, lines of the log and of the audit log go out. It knows messages,
errors and queues' entries, no service.
"""
