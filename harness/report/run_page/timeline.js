// When which cell ran, on as few lanes as ran side by side.
const WIDTH = 1000;
const LANE = 24;
const LEFT = 4;
const TOP = 20;
const MOST_BARS = 6000;

const ticks = (total) => {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = steps.find((one) => total / one <= 9) ?? Math.ceil(total / 9 / 86400) * 86400;
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, place) => place * step);
};

const timeView = () => {
  const time = data.time;
  if (!time) return [el("h2", {}, "Timeline"), el("p", {}, "The result of this run does not say when its phases started: an earlier version of the harness wrote it.")];
  const total = Math.max(time.seconds, 0.001);
  const at = (value) => LEFT + (WIDTH - 2 * LEFT) * value / total;
  const height = TOP + LANE * time.lanes + 4;
  const byCell = new Map();
  time.bars.forEach(([cell, phase, lane, start]) => {
    if (!byCell.has(cell)) byCell.set(cell, { cell: cells[cell], lane, bars: [] });
    byCell.get(cell).bars.push([phase, start]);
  });
  const shown = [...byCell.values()];
  // Of very many cells only the cell as a whole is drawn: elements cost more than they show then.
  const coarse = time.bars.length > MOST_BARS;
  const rows = Array.from({ length: time.lanes }, () => []);
  const drawn = shown.map((item) => {
    const node = cellBars(item, at, coarse);
    rows[item.lane].push(node);
    return node;
  });
  roving(rows);
  const phases = [...new Set(shown.flatMap((item) => item.cell.phases.map((phase) => text(phase[0]))))];
  return [
    el("h2", {}, `Timeline: ${plural(time.lanes, "cell")} at a time, ${seconds(total)}`),
    el("p", { class: "legend" }, phases.map((phase) => el("span", {}, el("i", { class: `phase-${phase}` }), phase)), "framed red: did not pass"),
    el("div", { class: "scroll" }, svg("svg", { class: "time", viewBox: `0 0 ${WIDTH} ${height}`, role: "group", "aria-label": "Cells over time" },
      ticks(total).map((tick) => [
        svg("line", { class: "grid", x1: at(tick), x2: at(tick), y1: TOP - 6, y2: height }),
        svg("text", { x: at(tick) + 2, y: 10 }, seconds(tick)),
      ]).flat(),
      time.pauses.map(([start, width, long]) => svg("rect", { class: "pause", x: at(start), y: TOP, width: at(width) - LEFT, height: height - TOP },
        svg("title", {}, `nothing ran for ${seconds(long)}`))),
      drawn)),
    el("p", { class: "faint" }, "Builds and images that several cells need are made before them and are not drawn; their logs are among the files of the run."),
    table(["#start", "cell", "outcome", "#time"], shown, (item) => [
      number(seconds(item.bars[0][1])), name(cellLink(item.cell)), td(badge(item.cell.outcome)), number(seconds(item.cell.took)),
    ], { step: 50 }),
  ];
};

const cellBars = ({ cell, lane, bars }, at, coarse) => {
  const y = TOP + LANE * lane + 2;
  const start = bars[0][1];
  const [last, lastStart] = bars[bars.length - 1];
  const end = lastStart + cell.phases[last][2];
  const width = (from, long) => Math.max(at(from + long) - at(from), 0.5).toFixed(2);
  const inner = coarse ? [svg("rect", { class: TROUBLE.includes(cell.outcome) ? "phase-cell" : "phase-suites", x: at(start).toFixed(2), y, width: width(start, end - start), height: LANE - 4 })]
    : bars.map(([phase, from]) => svg("rect", {
      class: `phase-${text(cell.phases[phase][0])}`, x: at(from).toFixed(2), y, width: width(from, cell.phases[phase][2]), height: LANE - 4,
    }));
  const what = `${cell.id}: ${nameOf.get(cell.outcome)}; ` + cell.phases.map(([phase, , took]) => `${text(phase)} ${seconds(took)}`).join(", ");
  const broken = TROUBLE.includes(cell.outcome);
  return svg("a", { href: address({ view: "cell", id: cell.id }), class: broken ? "broken" : null, "aria-label": what },
    svg("title", {}, what), inner,
    svg("rect", { class: "frame", x: at(start).toFixed(2), y, width: width(start, end - start), height: LANE - 4, rx: 2 }));
};
