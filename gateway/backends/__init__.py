"""Backends, which carry out calls: services in this process, and servers in the private network.

Admitted calls come in, replies go out. It depends on SOAP and secrets, for hosting also on
contracts; not on queues or the gate.
"""
