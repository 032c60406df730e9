// The page of one cell, and the page of one case over all cells.
const excerptView = ([path, parts, after], open, base) => {
  const pre = el("pre", { tabindex: "0" });
  const gap = (skipped) => el("span", { class: "gap" }, `[… ${bytes(skipped)} left out …]\n`);
  for (const [line, content, skipped] of parts) {
    if (skipped > 0) pre.append(gap(skipped));
    if (skipped > 0 && line) pre.append(el("span", { class: "gap" }, `from line ${line}:\n`));
    pre.append(`${content}\n`);
  }
  if (after > 0) pre.append(gap(after));
  const shown = data.paths[path];
  return el("details", { open, "data-file": shown }, el("summary", {}, shown, parts.length > 1 ? " (excerpt)" : "", " ",
    el("a", { href: fileAddress(`${base}${shown}`) }, "whole file")), pre);
};

const caseRow = (item) => {
  const extra = extraOf(item);
  const words = [extra.message, extra.expectation, extra.reruns ? `executed ${extra.reruns + 1} times` : ""].filter((word) => word);
  const told = words.join(" · ");
  return [
    td(badge(item.code)), name(caseLink(item.node)), number(seconds(item.seconds)), td(strip(item), rateAside(item)),
    message(extra.details ? el("details", {}, el("summary", {}, told || "details"), el("pre", { tabindex: "0" }, extra.details)) : told),
  ];
};

const phasesView = (cell) => {
  const longest = Math.max(...cell.phases.map((phase) => phase[2]), 0.001);
  return table(["phase", "", "#time", "", ""], cell.phases, ([phase, state, took, words]) => [
    td(text(phase)), td(text(state) === "done" ? "" : text(state)), number(seconds(took)),
    td(svg("svg", { width: 120, height: 10, "aria-hidden": "true" },
      svg("rect", { class: `phase-${text(phase)}`, width: (120 * took / longest).toFixed(1), height: 10, rx: 2 }))),
    message(text(words)),
  ], { empty: "No phase was begun." });
};

const cellView = (values) => {
  const cell = cellOf.get(values.get("id"));
  if (!cell) return [el("h2", {}, "There is no such cell"), el("p", { class: "name" }, values.get("id") ?? "")];
  const only = values.get("only") === "trouble";
  const bad = cell.list.filter((item) => TROUBLE.includes(item.code));
  const shown = only ? bad : [...cell.list].sort((one, other) => TROUBLE.includes(other.code) - TROUBLE.includes(one.code));
  const facts = [...data.axes.map((axis) => [axis, valueOf(axis, cell, null)]), ...data.facts[cell.facts]
    .map(([fact, value]) => [data.axes.includes(fact) ? `${fact}, as proved` : fact, value])];
  const base = `cells/${cell.id}/`;
  const found = data.excerpts[cell.index] ?? [];
  const files = data.files[cell.index];
  const left = Object.values(cell.left).reduce((sum, count) => sum + count, 0);
  return [
    el("h2", {}, cell.id, " ", badge(cell.outcome)), turns(cell),
    cell.error && el("pre", { class: "error" }, cell.error),
    cell.warnings.length > 0 && el("ul", {}, cell.warnings.map((line) => el("li", {}, line))),
    el("p", {}, `${said(tallyOf(cell))}; ${seconds(cell.took)}.`, text(cell.again) && el("span", {}, " Again: ", el("code", {}, text(cell.again).replaceAll("\0", cell.id)))),
    el("h3", {}, "Cases"),
    bad.length > 0 && bad.length < cell.list.length && el("p", {}, link(
      only ? "show all cases" : `show only the ${bad.length} to look at`,
      { view: "cell", id: cell.id, only: only ? undefined : "trouble" })),
    table(["outcome", "case", "#time", data.runs.length ? "history" : "", "message"], shown, caseRow, { empty: "No case ran." }),
    left > 0 && el("p", { class: "faint" }, `${plural(left, "more case")} of this cell ${left === 1 ? "is" : "are"} only counted here; all are in result.json.`),
    el("h3", {}, "Phases"), phasesView(cell),
    el("h3", {}, "What it was"), el("dl", {}, facts.map(([fact, value]) => [el("dt", {}, fact), el("dd", {}, value)])),
    el("h3", {}, "Console, journal and logs"),
    found.map((item, place) => excerptView(item, TROUBLE.includes(cell.outcome) && place === 0, base)),
    !found.length && el("p", { class: "faint" }, "There are no logs, or the page had no room for excerpts of them."),
    files ? el("ul", { class: "files" }, files.map(([path, size]) => el("li", {},
      el("a", { href: fileAddress(`${base}${data.paths[path]}`) }, data.paths[path]), ` ${bytes(size)}`)))
      : el("p", {}, el("a", { href: `${fileAddress(base)}/` }, "its directory")),
  ];
};

const turns = (cell) => el("p", { class: "turn" },
  cell.index > 0 && el("a", { href: address({ view: "cell", id: cells[cell.index - 1].id }), id: "previous" }, "← previous cell"),
  cell.index + 1 < cells.length && el("a", { href: address({ view: "cell", id: cells[cell.index + 1].id }), id: "next" }, "next cell →"));

const runsView = () => data.runs.length > 0 && el("p", { class: "faint" }, "History: ",
  data.runs.map(([id, , page]) => page ? el("a", { href: pageOf(id) }, id) : id).toSpliced(data.now, 0, "this run")
    .flatMap((run, place) => place ? [", ", run] : [run]), ".");

const caseView = (values) => {
  const node = values.get("id") ?? "";
  const found = cases.filter((item) => item.node === node)
    .sort((one, other) => rankOf.get(other.code) - rankOf.get(one.code));
  if (!found.length) return [el("h2", {}, "There is no such case"), el("p", { class: "name" }, node)];
  const sum = tally();
  found.forEach((item) => add(sum, item.code));
  return [
    el("h2", {}, node), el("p", {}, `${said(sum)} in ${plural(found.length, "cell")}. `,
      link("its heat map", { view: "matrix", "in-case": node })),
    runsView(),
    data.runs.length > 0 && overRuns(found),
    table(["outcome", "cell", "#time", data.runs.length ? "history" : "", "message"], found, (item) => {
      const row = caseRow(item);
      row[1] = name(cellLink(item.cell));
      return row;
    }),
  ];
};
