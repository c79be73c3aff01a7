"""The parts of a contract that a stub needs, read from its documents, with names for Python."""
