"""The HTTP API: parse, call the engine, answer. ``penchant serve`` runs it; ``create_app`` makes it."""
