"""Where things run: the port in `port`, and one folder for each runtime."""
