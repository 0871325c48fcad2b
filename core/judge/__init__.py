"""Is the canary worse than live? Evidence that may be read after every look (docs/judge.md)."""
