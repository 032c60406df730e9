"""Results of other tools: JUnit, TAP, CTRF, `go test -json` and meson's testlog.json, as one stream of cases.

`harness.foreign.reading` is where to begin; it imports the reader of a format when there is a file of it.
"""
