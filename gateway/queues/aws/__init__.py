"""AWS as queues need it: who we are there, where it is, signed requests, and the time it has."""
