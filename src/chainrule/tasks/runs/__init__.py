"""Run folders: training into them, opening them, several in one, and logs of hand-written loops."""
