"""WS-Security that services require of their callers: verified, and taken out.

Envelopes come in, callers' names go out. It depends on SOAP and secrets. The home of cryptography.
"""
