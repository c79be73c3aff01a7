"""Access to AWS for queues: credentials, endpoints, signed requests, and the server's clock.

Actions come in; they are sent signed and within time limits, and answers go out. It depends on
messages and errors, not on any queue.
"""
