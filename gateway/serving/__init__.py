"""A gateway at work: each request of a queue is answered by a service, and settled once.

Deliveries come in, verdicts go out. It knows the gate; backends and queues by their
protocols.
"""
