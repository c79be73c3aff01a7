"""The documents of a contract: found, fetched, kept, and published, each read once.

Locations come in, documents go out. It knows the names of WSDL, and errors.
"""
