"""Forwarding to a private HTTP endpoint: calls come in, its answers go out, as they are.

It depends on SOAP, secrets, and ``redact`` for the answers.
"""
