"""A legacy SOAP service to try the gateway on: it knows nothing of the gateway.

It imports nothing of ours.
"""
