"""The documents of a contract: found, fetched, kept, and published, each read once.

Locations come in, documents go out. It depends on the names of WSDL, and on errors.
"""
