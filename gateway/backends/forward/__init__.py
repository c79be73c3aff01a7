"""Forwarding to a private HTTP endpoint: calls come in, its answers go out, as they are.

It knows SOAP, secrets, and what ``redact`` takes out of answers.
"""
