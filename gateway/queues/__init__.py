"""The queues, one folder for each kind of store; ``gateway.queue`` says what all of them do.

A message goes in, its reply comes out. It depends on the shared vocabulary alone.
"""
