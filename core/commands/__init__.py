"""What is said to tools: argv lists and configuration texts. Nothing in here runs anything."""
