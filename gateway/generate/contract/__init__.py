"""What a stub needs of a contract: read from its documents, with names for Python."""
