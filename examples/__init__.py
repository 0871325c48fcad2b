"""Real systems, each from its runbook."""
