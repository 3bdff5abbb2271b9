"""What the tasks of texts share: tokenizers, running texts, the order of texts, vectors of words."""
