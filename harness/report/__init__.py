"""Renders results for people and for other tools; nothing here decides anything."""
