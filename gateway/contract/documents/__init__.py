"""The documents of a contract: found, fetched, kept, and published, each read once."""
