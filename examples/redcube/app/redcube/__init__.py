"""redcube: a content service and a user service that share one PostgreSQL."""
