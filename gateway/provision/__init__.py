"""The resources of a queue in AWS, the rights of its users, and single grants for strangers."""
