"""What gives a service's machine away is taken out of its answers: faults, addresses, headers.

Replies come in, discreet ones go out. It knows SOAP alone.
"""
