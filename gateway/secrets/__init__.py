"""Secrets: references to those of others, and the credentials of our clients.

It knows errors alone.
"""
