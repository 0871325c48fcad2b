"""Backups as values, and the rules about them: what is verified, stale, different, expendable."""
