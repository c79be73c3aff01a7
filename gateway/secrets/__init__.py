"""Secrets: references to those of others, and the credentials of our clients.

References come in, values go out. It knows errors alone.
"""
