"""AWS as queues need it: who we are there, where it is, signed requests, and the time it has.

Actions come in, answers go out, signed and within limits of time. It knows messages and errors;
no queue.
"""
