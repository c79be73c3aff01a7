"""The parts of a contract that a stub needs, read from its documents, with names for Python.

Documents come in, a model of them goes out. It knows contracts and the model.
"""
