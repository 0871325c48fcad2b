"""Migrations in SQL: files, the history of a database, the way from one revision to another, and what it costs."""
