"""The schemas of a contract: compiled, weighed, and what messages are checked with.

Documents and messages come in, mistakes go out in words of the contract. It knows SOAP and
errors.
"""
