// Views of a comparison: cases and cells with both outcomes next to each other.
const changeBadge = (item) => el("span", { class: `outcome ${classOf.get(item.code)}` }, item.cell.kinds[item.place]);
const byBadness = (one, other) => rankOf.get(other.code) - rankOf.get(one.code);
const outcomeBadge = (outcome) => el("span", { class: `outcome ${outcome}` }, outcome);
const pair = (item) => [td(outcomeBadge(item.cell.old[item.place])), td(outcomeBadge(item.cell.new[item.place])), message(item.cell.messages[item.place])];
const PAIR = ["before", "now", "message"];

const changesTable = (found) => table(["change", "case", "cell", ...PAIR], found.toSorted(byBadness), (item) => [
  td(changeBadge(item)), name(caseLink(item.node)), name(cellLink(item.cell)), ...pair(item),
], { empty: "Nothing changed here." });
const cellsTable = (found) => table(["worst", "cell", "cases", ""], found.toSorted((one, other) => rankOf.get(other.outcome) - rankOf.get(one.outcome)),
  (cell) => [td(badge(cell.outcome)), name(cellLink(cell)), td(said(tallyOf(cell))), message(cell.error)]);

const listView = (values) => {
  const filters = filtersOf(values);
  const { ofCells, ofCases } = splitFilters(filters);
  const chosenCells = cells.filter((cell) => passes(ofCells, cell, null));
  const found = chosenCells.flatMap((cell) => cell.list.filter((item) => passes(ofCases, cell, item.node)));
  const where = filters.map(([axis, value]) => `${axis} ${value}`).join(", ");
  return [
    el("h2", {}, plural(found.length, "changed case") + (where && `: ${where}`)),
    filters.length > 0 && el("p", {}, link("all cases", { view: "list" }), " · ", link("map of these", { view: "matrix", ...asAddress(filters) })),
    changesTable(found),
  ];
};
const cellsView = () => [el("h2", {}, plural(cells.length, "cell")), cellsTable(cells)];

const cellView = (values) => {
  const cell = cellOf.get(values.get("id"));
  if (!cell) return [el("h2", {}, "There is no such cell"), el("p", { class: "name" }, values.get("id") ?? "")];
  const turn = (step, words, id) => cells[cell.index + step] &&
    el("a", { href: address({ view: "cell", id: cells[cell.index + step].id }), id }, words);
  return [
    el("h2", {}, cell.id, " ", badge(cell.outcome)),
    el("p", { class: "turn" }, turn(-1, "← previous cell", "previous"), turn(1, "next cell →", "next")),
    cell.error && el("pre", { class: "error" }, cell.error), el("p", {}, `${said(tallyOf(cell))}.`),
    table(["change", "case", ...PAIR], cell.list.toSorted(byBadness),
      (item) => [td(changeBadge(item)), name(caseLink(item.node)), ...pair(item)], { empty: "No case changed." }),
  ];
};
const caseView = (values) => {
  const node = values.get("id") ?? "";
  const found = cases.filter((item) => item.node === node);
  return [
    el("h2", {}, node), el("p", {}, `It changed in ${plural(found.length, "cell")}. `, link("map of it", { view: "matrix", "in-case": node })),
    table(["change", "cell", ...PAIR], found.toSorted(byBadness), (item) => [td(changeBadge(item)), name(cellLink(item.cell)), ...pair(item)]),
  ];
};
const searchView = (values) => {
  const words = (values.get("q") ?? "").toLowerCase().split(/\s+/).filter((word) => word);
  if (!words.length) return [el("p", { class: "faint" }, "Write something into the search: words, or the name of a change such as regressed.")];
  const matches = (...texts) => words.every((word) => texts.join("\n").toLowerCase().includes(word));
  const found = cases.filter((item) => matches(item.cell.id, item.node, item.cell.messages[item.place], item.cell.kinds[item.place]));
  const foundCells = cells.filter((cell) => matches(cell.id, cell.error));
  return [
    el("h2", { "aria-live": "polite" }, `${plural(found.length, "changed case")}, ${plural(foundCells.length, "cell")}`),
    found.length > 0 && changesTable(found), foundCells.length > 0 && cellsTable(foundCells),
  ];
};

const VIEWS = { matrix: matrixView, list: listView, cells: cellsView, cell: cellView, case: caseView, search: searchView };
const KEYS = { m: "matrix", l: "list", c: "cells" };
