"""Networks that read tokens one after the other."""
