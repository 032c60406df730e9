// How often cases fail over the runs that the page knows, and what that costs: a rate with its interval, and flaky cases.
const FAILING = "F~";
const SPOKE = ".XxF~";

// What a case did in each run in which it said something, this one included, the oldest first.
const seriesOf = (item) => {
  const codes = [...pastOf(item).padEnd(data.runs.length)];
  codes.splice(data.now, 0, item.code);
  return codes;
};
const countOf = (codes) => {
  const ran = codes.filter((code) => SPOKE.includes(code));
  return { ran: ran.length, failed: ran.filter((code) => FAILING.includes(code)).length };
};
// Wilson's score, 95 %, as harness/rates.py has it.
const intervalOf = ({ failed, ran }) => {
  const z = 1.959964;
  const share = failed / ran;
  const scale = 1 + z * z / ran;
  const centre = share + z * z / (2 * ran);
  const margin = z * Math.sqrt(share * (1 - share) / ran + z * z / (4 * ran * ran));
  return [Math.max(0, (centre - margin) / scale), Math.min(1, (centre + margin) / scale)].map((value) => Math.round(100 * value));
};
const rateText = (counts) => `${counts.failed} of ${counts.ran}`;
const rateCell = (counts) => {
  if (!counts.ran) return number(NOTHING);
  const [low, high] = intervalOf(counts);
  return number(rateText(counts), el("span", { class: "faint" }, ` ${low} to ${high} %`));
};

const rateAside = (item) => {
  const counts = countOf(seriesOf(item));
  return counts.ran > 1 && counts.failed > 0 && el("span", { class: "faint rate" }, rateText(counts));
};

// A case that fails since some day is a regression; one that goes back and forth, or passed when executed again, is flaky.
const isFlaky = (codes) => {
  const failing = codes.filter((code) => SPOKE.includes(code)).map((code) => FAILING.includes(code));
  return codes.includes("~") || failing.filter((bad, place) => place > 0 && bad !== failing[place - 1]).length > 1;
};
const flakyCases = () => {
  const found = new Map();
  for (const item of cases) {
    const codes = seriesOf(item);
    if (!isFlaky(codes)) continue;
    const { failed, ran } = countOf(codes);
    const sum = found.get(item.node) ?? { node: item.node, cells: [], failed: 0, ran: 0, cost: 0 };
    sum.cells.push(item);
    sum.failed += failed;
    sum.ran += ran;
    // Each failure costs the time of the case once more, as long as it took here.
    sum.cost += failed * item.seconds;
    found.set(item.node, sum);
  }
  return [...found.values()].sort((one, other) => other.cost - one.cost || other.failed - one.failed);
};
const flakyView = () => [
  el("h2", {}, "Flaky cases"),
  el("p", { class: "faint" }, `They passed only when executed again, or fail and pass in turn over ${plural(data.runs.length + 1, "run")}; cost is the time that their failures took.`),
  runsView(),
  table(["case", "#cells", "#failed", "#cost", data.runs.length ? "worst history" : ""], flakyCases(), (sum) => {
    const worst = sum.cells.toSorted((one, other) => countOf(seriesOf(other)).failed - countOf(seriesOf(one)).failed)[0];
    return [name(caseLink(sum.node)), number(sum.cells.length), rateCell(sum), number(seconds(sum.cost)), td(strip(worst))];
  }, { empty: "None is." }),
];

// One case over all cells that it ran in, run by run, the newest first.
const overRuns = (found) => {
  const series = found.map(seriesOf);
  const runs = data.runs.toSpliced(data.now, 0, [data.run, "", false]);
  const rows = runs.map(([id, started, page], place) => ({ id, started, page, mine: place === data.now, codes: series.map((codes) => codes[place]) }))
    .filter((row) => countOf(row.codes).ran > 0).reverse();
  return [
    el("h3", {}, "Over runs"),
    table(["run", "started", "#cells with a failure"], rows, (row) => [
      td(row.page ? el("a", { href: pageOf(row.id) }, row.id) : row.id, row.mine && " (this run)"),
      td(row.started.slice(0, 16).replace("T", " ")), rateCell(countOf(row.codes)),
    ]),
    el("p", {}, "Together: ", rateText(countOf(series.flat())), " failed."),
  ];
};
