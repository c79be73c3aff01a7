"""What can be seen of a gateway from outside of it. It knows messages and queues'
entries, no service.
"""
