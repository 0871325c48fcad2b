"""What a team declares."""
