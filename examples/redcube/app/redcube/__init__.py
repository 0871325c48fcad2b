"""redcube: a content service and a user service, a PostgreSQL database each."""
