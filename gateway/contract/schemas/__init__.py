"""The schemas of a contract: compiled, weighed, and what messages are checked with."""
