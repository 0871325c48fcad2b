"""redcube: two services before one PostgreSQL."""
