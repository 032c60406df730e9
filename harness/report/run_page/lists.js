// Lists: cells of a part of the matrix, what a search finds, what was slowest, and the run itself.
const cellRow = (cell) => {
  const sum = tallyOf(cell);
  const { good, ran } = totals(sum);
  const first = cell.list.find((item) => TROUBLE.includes(item.code));
  return [
    td(badge(cell.outcome)), name(cellLink(cell)), number(`${good}/${ran}`), td(marks(sum)), number(seconds(cell.took)),
    message(cell.error ? cell.error.split("\n", 1)[0] : first ? [caseLink(first.node), ` ${extraOf(first).message}`] : ""),
  ];
};
const CELL_HEADS = ["outcome", "cell", "#passed", "", "#time", ""];
const byRank = (one, other) => rankOf.get(other.outcome) - rankOf.get(one.outcome);

const listView = (values) => {
  const filters = filtersOf(values);
  const { ofCells, ofCases } = splitFilters(filters);
  const chosen = cells.filter((cell) => passes(ofCells, cell, null));
  const where = filters.map(([axis, value]) => `${axis} ${value}`).join(", ");
  const back = filters.length > 0 && el("p", {}, link("all cells", { view: "list" }), " · ",
    link("matrix of these", { view: "matrix", ...asAddress(filters) }));
  if (ofCases.length) {
    const found = chosen.flatMap((cell) => cell.list.filter((item) => passes(ofCases, cell, item.node)))
      .sort((one, other) => rankOf.get(other.code) - rankOf.get(one.code));
    return [el("h2", {}, `${plural(found.length, "case")}: ${where}`), back, caseTable(found)];
  }
  return [
    el("h2", {}, plural(chosen.length, "cell") + (where && `: ${where}`)), back,
    table(CELL_HEADS, [...chosen].sort(byRank), cellRow),
    data.missing > 0 && el("p", { class: "faint" }, `${plural(data.missing, "cell")} that did not fail had no room on this page; result.json has them.`),
  ];
};

const caseTable = (found, options) => table(["outcome", "case", "cell", "#time", "message"], found, (item) => [
  td(badge(item.code)), name(caseLink(item.node)), name(cellLink(item.cell)), number(seconds(item.seconds)), message(extraOf(item).message),
], options);

// A word is found in a cell's name, a case's name, a message; the name of an outcome finds what has that outcome.
const lower = (value) => value.toLowerCase();
let index = null;
const searchIndex = () => {
  index ??= cases.map((item) => {
    const extra = item.cell.extra[item.place];
    return lower(`${item.cell.id}\n${item.node}\n${extra ? text(extra[0]) : ""}`);
  });
  return index;
};
const MOST_LINES = 100;
const linesWith = (words) => {
  const found = [];
  for (const cell of cells) {
    for (const [path, parts] of data.excerpts[cell.index] ?? []) {
      for (const [first, content] of parts) {
        const small = lower(content);
        if (!words.every((word) => small.includes(word))) continue;
        content.split("\n").forEach((line, place) => {
          const low = lower(line);
          if (found.length < MOST_LINES && words.every((word) => low.includes(word))) {
            found.push({ cell, path: data.paths[path], number: first ? first + place : null, line: line.slice(0, 400) });
          }
        });
        if (found.length >= MOST_LINES) return found;
      }
    }
  }
  return found;
};

const searchView = (values) => {
  const words = lower(values.get("q") ?? "").split(/\s+/).filter((word) => word);
  if (!words.length) return [el("p", { class: "faint" }, "Write something into the search: words, or the name of an outcome such as failed.")];
  const codes = words.map((word) => data.outcomes.find(([, outcome]) => outcome === word)?.[0]).filter((code) => code);
  const plain = words.filter((word) => !data.outcomes.some(([, outcome]) => outcome === word));
  const matches = (hay) => plain.every((word) => hay.includes(word));
  const wanted = (code) => codes.every((one) => one === code);
  const hay = searchIndex();
  const foundCells = cells.filter((cell) => wanted(cell.outcome) && matches(lower(`${cell.id}\n${cell.error}`))).sort(byRank);
  const foundCases = cases.filter((item, place) => wanted(item.code) && matches(hay[place]));
  const lines = codes.length ? [] : linesWith(words);
  return [
    el("h2", { "aria-live": "polite" }, `${plural(foundCells.length, "cell")}, ${plural(foundCases.length, "case")}, ${lines.length < MOST_LINES ? plural(lines.length, "line") : `the first ${MOST_LINES} lines`} of logs`),
    foundCases.length > 0 && [el("h3", {}, "Cases"), caseTable(foundCases, { step: 50 })],
    foundCells.length > 0 && [el("h3", {}, "Cells"), table(CELL_HEADS, foundCells, cellRow, { step: 50 })],
    lines.length > 0 && [el("h3", {}, "Lines in the excerpts"), table(["cell", "where", "line"], lines, (item) => [
      name(cellLink(item.cell)), name(item.number ? `${item.path}:${item.number}` : item.path), message(item.line),
    ], { step: 50 })],
  ].flat();
};

const slowView = () => {
  const phases = new Map();
  cells.forEach((cell) => cell.phases.forEach(([phase, , took]) => {
    const sum = phases.get(text(phase)) ?? { phase: text(phase), took: 0, count: 0, most: 0 };
    phases.set(sum.phase, { phase: sum.phase, took: sum.took + took, count: sum.count + 1, most: Math.max(sum.most, took) });
  }));
  const nodes = new Map();
  cases.forEach((item) => {
    const sum = nodes.get(item.node) ?? { node: item.node, took: 0, count: 0, most: 0 };
    nodes.set(item.node, { node: item.node, took: sum.took + item.seconds, count: sum.count + 1, most: Math.max(sum.most, item.seconds) });
  });
  const slowest = (items, key) => [...items].sort((one, other) => other[key] - one[key]).slice(0, 100);
  const sums = (item) => [number(item.count), number(seconds(item.took)), number(seconds(item.took / item.count)), number(seconds(item.most))];
  return [
    el("h2", {}, "Slowest cases"), caseTable(slowest(cases, "seconds"), { step: 20 }),
    el("h2", {}, "The same cases over all cells"),
    table(["case", "#cells", "#together", "#mean", "#longest"], slowest(nodes.values(), "took"),
      (item) => [name(caseLink(item.node)), sums(item)].flat(), { step: 20 }),
    el("h2", {}, "Slowest cells"), table(CELL_HEADS, slowest(cells, "took"), cellRow, { step: 20 }),
    el("h2", {}, "Phases"), table(["phase", "#cells", "#together", "#mean", "#longest"], slowest(phases.values(), "took"),
      (item) => [td(item.phase), sums(item)].flat()),
  ];
};

const runView = () => [
  el("h2", {}, "Files of the run"),
  el("ul", { class: "files" }, data.own.map(([path, size]) => el("li", {}, el("a", { href: fileAddress(path) }, path), ` ${bytes(size)}`))),
  el("h2", {}, "Other runs with the same cells"),
  table(["run", "started", ""], [...data.runs].reverse(), ([id, started, page]) => [
    td(page ? el("a", { href: pageOf(id) }, id) : id), td(started), td(page ? "" : "has no page: harness report makes it"),
  ], { empty: "There are none besides this run." }),
];
