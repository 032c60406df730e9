"""Results of other tools: JUnit, TAP, CTRF, `go test -json` and meson's testlog.json, as one stream of cases.

`harness.foreign.reading` is where to begin; `harness.foreign.ours` has what our own JUnit says besides.
"""
