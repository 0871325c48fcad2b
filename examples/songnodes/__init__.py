"""songnodes: three services before PostgreSQL, Redis and RabbitMQ."""
