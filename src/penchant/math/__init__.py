"""Pure functions over arrays: decay and the largest entries."""
