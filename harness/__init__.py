"""The rkt upgrade-regression harness: cells of a matrix, booted, tested, judged."""
