"""What every task takes its training from: network, weights, steps, scores, and what a finished training measures."""
