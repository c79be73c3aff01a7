"""HTTP in: calls of SOAP clients go into the queue, and its replies back to them.

Connections come in, answers go out. It depends on the client side of a queue, the gate, quotas and
the audit log, not on backends.
"""
