"""The queue in a bucket with a doorbell: an SQS queue tells gateways of each new request."""
