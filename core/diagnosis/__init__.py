"""What is wrong with a system, why, and what to do next: pure, from what was seen."""
