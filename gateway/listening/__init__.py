"""HTTP in: calls of SOAP clients go into the queue, and its replies back to them.

Connections come in, answers go out. It knows the far side of a queue, the gate, quotas
and the audit log; no backend.
"""
