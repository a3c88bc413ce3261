"""Sequence models in PyTorch: what comes next, from the order and the times of what a user did."""
