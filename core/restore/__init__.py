"""Going back to what a backup holds: values and rules that touch nothing."""
