"""Services hosted in this process, on spyne: calls come in, the results of their methods go out.

It knows SOAP and contracts. The home of spyne.
"""
