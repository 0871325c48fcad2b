"""The report of a release: what is known of it, put together for people. Pure."""
