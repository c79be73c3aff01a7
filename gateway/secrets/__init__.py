"""Secrets: references to the operator's secrets, and the credentials of our clients.

References come in, values go out. It depends on errors alone.
"""
