"""WS-Security that services ask their callers for: verified, and taken out.

Envelopes come in, callers' names go out. It knows SOAP and secrets. The home of cryptography.
"""
