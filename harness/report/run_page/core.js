"use strict";
// The run's data, and how it becomes elements: only text and attributes of our own, never markup from a string.
const data = JSON.parse(document.getElementById("run-data").textContent);
const find = (id) => document.getElementById(id);
const nameOf = new Map(data.outcomes);
const rankOf = new Map(data.outcomes.map(([code], rank) => [code, rank]));
const TROUBLE = data.trouble ?? "~XFE";
const NOTHING = "–";

const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const seconds = (value) => {
  if (value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
};
const bytes = (size) => {
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (size >= factor) return `${(size / factor).toFixed(size < 10 * factor ? 1 : 0)} ${unit}`;
  }
  return `${size} B`;
};
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// Addresses: everything that is shown is said after the #, so that a link to it can be sent.
const address = (values) => `#${new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined))}`;
const fileAddress = (path) => data.base.split("/").concat(path.split("/")).filter((part) => part)
  .map(encodeURIComponent).join("/");
const link = (text, values) => el("a", { href: address(values) }, text);
const cellLink = (cell) => link(cell.id, { view: "cell", id: cell.id });
const caseLink = (node) => link(node, { view: "case", id: node });
const classOf = new Map(data.outcomes.map(([code, name, kind]) => [code, kind ?? name]));
const badge = (code) => el("span", { class: `outcome ${classOf.get(code)}` }, nameOf.get(code));
const text = (index) => data.strings[index];

// Cells and cases as objects. A case is {cell, place, node, code, seconds}.
const cells = data.cells;
const cellOf = new Map();
const cases = [];
cells.forEach((cell, index) => {
  cell.index = index;
  cellOf.set(cell.id, cell);
  cell.list = [];
  data.lists[cell.cases].forEach((node, place) => {
    const item = { cell, place, node: data.nodes[node], code: cell.codes[place], seconds: cell.seconds[place] };
    cell.list.push(item);
    cases.push(item);
  });
  cell.took = cell.phases.reduce((sum, phase) => sum + phase[2], 0);
});
const suiteOf = (node) => node.split("/", 1)[0];
const extraOf = (item) => {
  const found = item.cell.extra[item.place];
  if (!found) return { message: "", details: "", expectation: "", reruns: 0, raw: "" };
  return {
    message: text(found[0]), details: found[1] < 0 ? "" : data.details[found[1]], expectation: text(found[2]),
    reruns: found[3], raw: text(found[4]),
  };
};
const pastOf = (item) => {
  const past = item.cell.past;
  return text(typeof past === "number" ? past : past[item.place]);
};

// How many cases have which outcome, and the worst of them; a cell that broke counts as one error of its own.
const tally = () => ({ counts: {}, worst: null, cells: new Set() });
const add = (into, code, number = 1) => {
  into.counts[code] = (into.counts[code] ?? 0) + number;
  if (into.worst === null || rankOf.get(code) > rankOf.get(into.worst)) into.worst = code;
};
const tallyOf = (cell) => {
  const found = tally();
  cell.list.forEach((item) => add(found, item.code));
  Object.entries(cell.left).forEach(([code, number]) => add(found, code, number));
  if (cell.error) add(found, "E");
  return found;
};
const totals = ({ counts }) => {
  const all = Object.values(counts).reduce((sum, number) => sum + number, 0);
  const ran = all - (counts.s ?? 0);
  return { all, ran, good: [...data.good ?? ".~"].reduce((sum, code) => sum + (counts[code] ?? 0), 0) };
};
const marks = ({ counts }) => (data.marks ?? ["E", "F", "X", "~", "x"]).filter((code) => counts[code])
  .map((code) => `${counts[code]}${code}`).join(" ");
const said = ({ counts }) => data.outcomes.toReversed().filter(([code]) => counts[code])
  .map(([code, name]) => `${counts[code]} ${name}`).join(", ") || "nothing ran";
