"""What carries calls out: services in this process, and servers in the private network.

Admitted calls come in, replies go out. It knows SOAP and secrets, where it hosts also contracts;
no queue, no gate.
"""
