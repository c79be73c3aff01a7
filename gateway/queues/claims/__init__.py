"""Requests that SQS hands out under its visibility timeout: taken, at work, settled once."""
