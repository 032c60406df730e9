// The heat map: any two axes against each other, the others as filters. Suite, case and cell are axes too.
const OWN = ["suite", "case", "cell"];
const axes = [...data.axes, ...OWN];
const valuesOf = new Map(data.axes.map((axis, place) => [axis, data.values[place].map((value) => value ?? NOTHING)]));
valuesOf.set("suite", [...new Set(cases.map((item) => suiteOf(item.node)))]);
valuesOf.set("case", [...new Set(cases.map((item) => item.node))]);
valuesOf.set("cell", cells.map((cell) => cell.id));
const MOST = { rows: 150, columns: 40 };
const MANY = 0.25;
let chosen = null; // the choice that was changed last, which keeps the focus

const valueOf = (axis, cell, node) => {
  const place = data.axes.indexOf(axis);
  if (place >= 0) return data.values[place][cell.axes[place]] ?? NOTHING;
  if (axis === "cell") return cell.id;
  if (node === null) return null;
  return axis === "suite" ? suiteOf(node) : node;
};
// Of all pairs the one that fills most of its squares: each distro has its own systemd, which makes a poor picture.
const defaultAxes = () => {
  const varied = data.axes.map((_, place) => place).filter((place) => data.values[place].length > 1)
    .sort((one, other) => data.values[other].length - data.values[one].length);
  let best = { rows: data.axes[varied[0]] ?? data.axes[0] ?? "cell", columns: "suite", score: 0 };
  varied.forEach((row, order) => varied.slice(order + 1).forEach((column) => {
    const width = data.values[column].length;
    const filled = new Set(cells.map((cell) => cell.axes[row] * width + cell.axes[column])).size;
    const score = filled * filled / (data.values[row].length * width);
    if (width <= MOST.columns && score > best.score) best = { rows: data.axes[row], columns: data.axes[column], score };
  }));
  return best;
};

// Filters of an address: the keys are axes with an "in-" before them.
const filtersOf = (values) => axes.filter((axis) => values.has(`in-${axis}`)).map((axis) => [axis, values.get(`in-${axis}`)]);
const asAddress = (filters) => Object.fromEntries(filters.map(([axis, value]) => [`in-${axis}`, value]));
const passes = (filters, cell, node) => filters.every(([axis, value]) => valueOf(axis, cell, node) === value);
const splitFilters = (filters) => ({
  ofCells: filters.filter(([axis]) => axis !== "suite" && axis !== "case"),
  ofCases: filters.filter(([axis]) => axis === "suite" || axis === "case"),
});

const heatOf = (rows, columns, filters) => {
  const found = new Map();
  const { ofCells, ofCases } = splitFilters(filters);
  const bucket = (cell, node) => {
    const row = valueOf(rows, cell, node);
    const column = valueOf(columns, cell, node);
    if (row === null || column === null) return null;
    if (!found.has(row)) found.set(row, new Map());
    const line = found.get(row);
    if (!line.has(column)) line.set(column, tally());
    line.get(column).cells.add(cell);
    return line.get(column);
  };
  for (const cell of cells) {
    if (!passes(ofCells, cell, null)) continue;
    for (const item of cell.list) {
      if (!passes(ofCases, cell, item.node)) continue;
      const into = bucket(cell, item.node);
      if (into) add(into, item.code);
    }
    if (ofCases.length) continue;
    const own = bucket(cell, null);
    if (!own) continue;
    Object.entries(cell.left).forEach(([code, count]) => add(own, code, count));
    if (cell.error) add(own, "E");
  }
  return found;
};

const heatCell = (found, filters) => {
  if (!found) return null;
  const sum = totals(found);
  const bad = (found.counts.F ?? 0) + (found.counts.X ?? 0);
  const [only] = found.cells;
  const values = found.cells.size === 1 && !filters.some(([axis]) => axis === "case")
    ? { view: "cell", id: only.id } : { view: "list", ...asAddress(filters) };
  const worst = found.worst === null ? "skipped" : classOf.get(found.worst);
  const many = worst !== "error" && sum.ran > 0 && bad / sum.ran >= MANY ? " many" : "";
  const where = filters.map(([axis, value]) => `${axis} ${value}`).join(", ");
  const what = `${where}: ${said(found)} in ${plural(found.cells.size, "cell")}`;
  const trouble = marks(found);
  return el("a", { href: address(values), class: worst + many, title: what, "aria-label": what },
    sum.all ? (sum.ran ? `${sum.good}/${sum.ran}` : `${sum.all} s`) : NOTHING, trouble && el("b", {}, trouble));
};

const matrixView = (values) => {
  const usual = defaultAxes();
  const rows = axes.includes(values.get("rows")) ? values.get("rows") : usual.rows;
  const columns = axes.includes(values.get("columns")) ? values.get("columns") : usual.columns;
  const filters = filtersOf(values).filter(([axis]) => axis !== rows && axis !== columns);
  const found = heatOf(rows, columns, filters);
  const known = valuesOf.get(columns);
  const present = new Set([...found.values()].flatMap((line) => [...line.keys()]));
  const heads = known.filter((value) => present.has(value));
  const lines = valuesOf.get(rows).filter((value) => found.has(value));
  const shown = { rows: lines.slice(0, MOST.rows), columns: heads.slice(0, MOST.columns) };
  const grid = shown.rows.map((row) => shown.columns.map((column) =>
    heatCell(found.get(row).get(column), [...filters, [rows, row], ...(rows === columns ? [] : [[columns, column]])])));
  const list = (axis, value) => link(value, { view: "list", ...asAddress([...filters, [axis, value]]) });
  const body = shown.rows.map((row, place) => el("tr", {}, el("th", { scope: "row" }, list(rows, row)),
    grid[place].map((node) => td(node ?? el("span", {}, "\u00a0")))));
  roving(grid);
  const hidden = lines.length - shown.rows.length + heads.length - shown.columns.length;
  return [
    el("h2", {}, `${rows} × ${columns}`), chooser(rows, columns, filters),
    lines.length
      ? el("div", { class: "scroll" }, el("table", { class: "heat", "aria-label": `${rows} by ${columns}` },
        el("thead", {}, el("tr", {}, el("td"), shown.columns.map((value) => el("th", { scope: "col" }, list(columns, value))))),
        el("tbody", {}, body)))
      : el("p", { class: "faint" }, "No cell is in this part of the matrix."),
    hidden > 0 && el("p", { class: "faint" }, `${hidden} more rows and columns did not fit; use a filter or the search.`),
    el("p", { class: "legend" }, `${data.counted ?? "passed of those that ran"}; `, ...data.outcomes.toReversed().filter(([code]) => code !== "." && code !== "s")
      .map(([code, outcome]) => el("span", {}, el("b", {}, code), ` ${outcome}`))),
  ];
};

const chooser = (rows, columns, filters) => {
  const now = new Map(filters);
  const go = (changes) => {
    const next = { view: "matrix", rows, columns, ...asAddress(filters), ...changes };
    location.hash = address(next);
  };
  const select = (label, options, value, changed) => el("label", {}, label,
    el("select", { change: (event) => { chosen = label; changed(event.target.value); }, "data-choice": label },
      options.map(([option, shown]) => el("option", { value: option, selected: option === value }, shown))));
  const pairs = (list) => list.map((item) => [item, item]);
  return el("div", { class: "choose" },
    select("rows", pairs(axes), rows, (value) => go({ rows: value, [`in-${value}`]: undefined })),
    select("columns", pairs(axes), columns, (value) => go({ columns: value, [`in-${value}`]: undefined })),
    el("button", { type: "button", click: () => go({ rows: columns, columns: rows }) }, "swap"),
    axes.filter((axis) => axis !== rows && axis !== columns && valuesOf.get(axis).length > 1 && valuesOf.get(axis).length <= 300)
      .map((axis) => select(axis, [["", "all"], ...pairs(valuesOf.get(axis))], now.get(axis) ?? "",
        (value) => go({ [`in-${axis}`]: value || undefined }))));
};
