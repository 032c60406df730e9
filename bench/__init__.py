"""Figures of speed and quality, beside those of others."""
