"""Gorse's public paths over the same engine: an existing client needs only a new address and key."""
