"""Metrics, one small function each, over what a model answered."""
