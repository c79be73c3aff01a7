"""Stubs in Python: rendered from the model of a contract, and written to files.

A model comes in, modules go out. It knows the model, contracts and SOAP. The home of jinja2.
"""
