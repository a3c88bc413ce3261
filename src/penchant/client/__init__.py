"""A client of the HTTP API whose answers are the engine's own types."""
