"""The schemas of a contract: compiled, rated by their cost, and used to check messages.

Documents and messages come in; mistakes go out, in the contract's terms. It depends on SOAP and
errors.
"""
