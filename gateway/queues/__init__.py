"""The queues, one folder for each kind of store; ``gateway.queue`` says what all of them do."""
