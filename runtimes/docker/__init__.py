"""The docker runtime: everything of a stack in containers of one engine, with its files under one folder of the machine that deploys."""
