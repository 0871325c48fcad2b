"""A program that runs in the team's own Python, beside the team's packages, and knows nothing of Sluice: Alembic by lines of JSON.

`env.py` is loaded in Alembic's offline mode, and what it configures is written down; revisions run on the connection that this program
was given, which is opened before any of the team's code is loaded. From then on nothing here opens a connection or starts a program:
settings of the team name the live database, also while a copy of it is tried.

Modules here import the standard library, Alembic, SQLAlchemy and each other, nothing else.
"""
