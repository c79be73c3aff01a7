"""The queues, one module for each kind of store; ``gateway.queue`` says what all of them do."""
