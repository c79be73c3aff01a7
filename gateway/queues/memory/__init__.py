"""The queue in memory: the reference for what a queue does."""
