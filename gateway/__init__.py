"""Carry SOAP over a queue: a service is called without ever being reachable."""
