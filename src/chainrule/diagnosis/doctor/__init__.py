"""Why does it not learn? A training is watched, its steps are played again with one thing changed, and compared."""
