"""Thin typed wrappers over each runtime's own command line, one file per runtime."""
