"""The queue in a bucket: requests are objects, and the reply object is the claim."""
