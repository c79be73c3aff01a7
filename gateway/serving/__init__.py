"""A gateway at work: each request of a queue is answered by a service, and settled once.

Deliveries come in, verdicts go out. It depends on the gate, and on backends and queues by their
protocols.
"""
