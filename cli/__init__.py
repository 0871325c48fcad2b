"""The `sluice` command, one file per verb."""
