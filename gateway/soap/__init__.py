"""SOAP itself: envelopes, faults, headers, multipart, and the properties of SOAP over JMS.

Bytes come in, checked values go out. It depends on messages and errors, not on queues or services.
"""
