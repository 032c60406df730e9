"""Functional suites, and the runtime adapters that they speak through; they never import the harness."""
