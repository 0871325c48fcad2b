"""The process runtime: everything of a stack from wheels, under one folder, on the loopback."""
