"""Going back, decided: what is wrong, which release was good, and what it takes. Pure."""
