"""Bisection: which commit changed what a test says.

`engine` is the pure search. Everything around it is here: the user's repository, the journal, the oracle
that builds, boots and tests a revision, and the proof of what was found.
"""
