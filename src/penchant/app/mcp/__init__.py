"""Interests for assistants and agents: a server of the Model Context Protocol in front of one engine."""
