"""Stubs in Python: rendered from the model of a contract, and written to files."""
