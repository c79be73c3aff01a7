"""Redaction: what gives a service's machine away is taken out of faults, addresses and headers.

Calls and replies come in, redacted replies go out. It depends on SOAP, and on a backend's names.
"""
