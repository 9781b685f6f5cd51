"""RabbitMQ: hints out, and the one queue of each pool."""
