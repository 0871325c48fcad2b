"""One module for each kind of live system: how to ask it and how to act on it, without Pulumi."""
