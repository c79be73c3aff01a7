"""The resources of a queue in AWS, the rights of its users, and single grants for strangers.

Addresses and settings of a queue come in, plans, templates and policies go out. It knows the
layout of queues on AWS. A home of boto3.
"""
