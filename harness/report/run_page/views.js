// What the page of a run shows, by name, and the keys that lead there.
const VIEWS = {
  matrix: matrixView, list: listView, cell: cellView, case: caseView, search: searchView, slow: slowView, flaky: flakyView,
  time: timeView, run: runView,
};
const KEYS = { m: "matrix", c: "list", s: "slow", f: "flaky", t: "time", r: "run" };
