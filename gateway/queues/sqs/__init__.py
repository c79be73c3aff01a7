"""The queue on SQS: requests are its messages; replies are in a bucket, or in other queues."""
