"""What gives a service's machine away is taken out of its answers: faults, addresses, headers.

Calls and replies come in, discreet replies go out. It knows SOAP, and the places of a backend.
"""
