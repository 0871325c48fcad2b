"""The demo: redcube goes from 1.0.0 to 1.1.0 under load, with a migration; 1.2.0 is stopped at its first step.

Everything is done with plain Pulumi commands on a copy of the program in .demo, as a team would in its own checkout.
"""
