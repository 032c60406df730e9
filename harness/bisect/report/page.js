"use strict";
// Moves the chart, which is drawn for the last step, to any other one: by slider, keys, links and address.
(() => {
  const data = JSON.parse(document.getElementById("bisection-data").textContent);
  const count = data.steps.length;
  if (!count) return;
  const find = (id) => document.getElementById(id);
  const slider = find("step");
  const bars = [...document.querySelectorAll(".history .bar:not(.none)")];
  const none = document.querySelector(".history .bar.none");
  const marks = [...document.querySelectorAll(".history .mark")];
  const rows = [...document.querySelectorAll("#steps tbody tr")];

  const raise = (bar, height) => {
    bar.setAttribute("height", height);
    bar.setAttribute("y", data.floor - height);
  };

  const show = (index) => {
    const step = data.steps[index];
    step.bars.forEach((height, place) => raise(bars[place], height));
    raise(none, step.none);
    marks.forEach((mark, place) => {
      mark.classList.toggle("later", place > index);
      mark.classList.toggle("current", place === index);
    });
    rows.forEach((row, place) => row.classList.toggle("current", place === index));
    const text = `Step ${step.number} of ${count}: ${step.revision}: ${step.verdict} (${step.purpose}). ` +
      `No culprit: ${step.noneText}.`;
    find("step-text").textContent = text;
    slider.value = index;
    slider.setAttribute("aria-valuetext", text);
    find("leaders").replaceChildren(...step.top.map(([name, chance]) => {
      const item = document.createElement("li");
      const number = document.createElement("b");
      number.textContent = chance;
      item.append(number, name);
      return item;
    }));
    document.documentElement.dataset.step = step.number;
  };

  const bounded = (index) => Math.min(Math.max(index, 0), count - 1);

  const go = (index) => {
    show(bounded(index));
    // Not an entry in the history for every step of a dragged slider.
    history.replaceState(null, "", `#step=${data.steps[bounded(index)].number}`);
  };

  const addressed = () => {
    const found = /^#step=(\d+)$/.exec(location.hash);
    const index = found ? data.steps.findIndex((step) => step.number === Number(found[1])) : -1;
    return index < 0 ? count - 1 : index;
  };

  slider.max = count - 1;
  slider.addEventListener("input", () => go(Number(slider.value)));
  find("earlier").addEventListener("click", () => go(Number(slider.value) - 1));
  find("later").addEventListener("click", () => go(Number(slider.value) + 1));
  addEventListener("hashchange", () => show(addressed()));
  addEventListener("keydown", (event) => {
    // The slider has its own keys, and a scrolled box or a table needs them for itself.
    if (event.target !== document.body || event.ctrlKey || event.altKey || event.metaKey) return;
    const place = Number(slider.value);
    const target = { ArrowLeft: place - 1, ArrowRight: place + 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    go(target);
  });
  find("player").hidden = false;
  show(addressed());
})();
