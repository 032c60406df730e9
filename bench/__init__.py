"""Figures of speed and quality, next to those of others."""
