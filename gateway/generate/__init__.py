"""Stubs from a contract: what is needed of it, in Python's names, and what is written from that.

Contracts come in, source files go out. It knows contracts and SOAP.
"""
