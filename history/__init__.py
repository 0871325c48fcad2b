"""Going back: what stack history holds, and whether it can be reached."""
