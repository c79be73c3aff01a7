"""Services hosted in this process, on spyne: calls come in, the results of their methods go out.

It depends on SOAP and contracts. The home of spyne.
"""
