// Tables that grow on demand, so that ten thousand rows cost nothing until somebody wants them.
const STEP = 200;

const table = (heads, items, makeRow, { step = STEP, empty = "Nothing.", caption = null } = {}) => {
  if (!items.length) return el("p", { class: "faint" }, empty);
  const body = el("tbody");
  const more = el("button", { type: "button" });
  const grow = () => {
    const next = items.slice(body.rows.length, body.rows.length + step);
    body.append(...next.map((item) => el("tr", {}, makeRow(item))));
    const left = items.length - body.rows.length;
    more.hidden = left <= 0;
    more.textContent = `${Math.min(left, step)} more of ${left}`;
  };
  more.addEventListener("click", () => {
    const first = body.rows.length;
    grow();
    body.rows[first]?.querySelector("a, summary")?.focus();
  });
  grow();
  const head = el("thead", {}, el("tr", {}, heads.map((name) =>
    el("th", { scope: "col", class: name.startsWith("#") ? "number" : null }, name.replace(/^#/, "")))));
  return el("div", {}, el("div", { class: "scroll" },
    el("table", {}, caption && el("caption", {}, caption), head, body)), more);
};
const td = (...children) => el("td", {}, ...children);
const name = (...children) => el("td", { class: "name" }, ...children);
const number = (...children) => el("td", { class: "number" }, ...children);
const message = (...children) => el("td", { class: "message" }, ...children);

// What became of a case in this run and in those before and after it, the oldest first; this one is framed.
const strip = (item) => {
  const past = pastOf(item);
  if (!data.runs.length) return null;
  const marksOf = data.runs.map(([id, started, page], place) => {
    const code = past[place] ?? " ";
    if (code === " ") return el("span", { title: `${id}: did not run` }, "\u00a0");
    const attributes = { class: nameOf.get(code), title: `${id} (${started}): ${nameOf.get(code)}` };
    // A row of links for every case would be a long way for the Tab key.
    return page
      ? el("a", { ...attributes, tabindex: "-1", href: `${pageOf(id)}${address({ view: "cell", id: item.cell.id })}` }, code)
      : el("span", attributes, code);
  });
  marksOf.splice(data.now, 0, el("span", { class: `now ${nameOf.get(item.code)}`, title: `this run: ${nameOf.get(item.code)}` }, item.code));
  return el("span", {
    class: "past", role: "img",
    "aria-label": `${plural(data.now, "run")} before: ${past.slice(0, data.now)}, this one: ${item.code}, after: ${past.slice(data.now)}`,
  }, marksOf);
};
const pageOf = (id) => `${data.base ? `${fileAddress("")}/` : ""}../${encodeURIComponent(id)}/report.html`;

// One tab stop for a whole grid of links; arrows move within it. `rows` are lists of links, with gaps.
const roving = (rows) => {
  const flat = rows.flat().filter((node) => node);
  flat.forEach((node, place) => { node.tabIndex = place ? -1 : 0; });
  const move = (row, column, down, right) => {
    let [y, x] = [row + down, column + right];
    while (rows[y] && x >= 0 && x < rows[y].length) {
      if (rows[y][x]) return rows[y][x];
      [y, x] = [y + down, x + right];
    }
    return null;
  };
  rows.forEach((row, y) => row.forEach((node, x) => node?.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const present = rows[y].filter((other) => other);
    const target = {
      ArrowUp: () => move(y, x, -1, 0), ArrowDown: () => move(y, x, 1, 0), ArrowLeft: () => move(y, x, 0, -1),
      ArrowRight: () => move(y, x, 0, 1), Home: () => present[0], End: () => present[present.length - 1],
    }[event.key]?.();
    if (!target) return;
    event.preventDefault();
    flat.forEach((other) => { other.tabIndex = -1; });
    target.tabIndex = 0;
    target.focus();
  })));
};
