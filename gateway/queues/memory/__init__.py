"""The queue in memory: the reference for what a queue does.

Messages come in, deliveries and replies go out. It knows what all queues share.
"""
