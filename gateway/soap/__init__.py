"""SOAP itself: envelopes, faults, headers, multipart, and what SOAP over JMS writes beside them.

Bytes come in, checked values go out. It knows messages and errors; no queue, no service.
"""
