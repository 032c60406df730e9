// Which view is shown follows from the address; keys and the search change the address.
const show = (moved) => {
  const values = new URLSearchParams(location.hash.slice(1));
  const view = Object.hasOwn(VIEWS, values.get("view") ?? "") ? values.get("view") : "matrix";
  find("view").replaceChildren(...VIEWS[view](values).flat().filter((node) => node));
  find("findings").hidden = view !== "matrix";
  document.querySelectorAll("#nav a").forEach((node) => {
    if (node.dataset.view === view) node.setAttribute("aria-current", "page");
    else node.removeAttribute("aria-current");
  });
  if (view !== "search") find("search").value = "";
  else if (document.activeElement !== find("search")) find("search").value = values.get("q") ?? "";
  document.documentElement.dataset.view = view;
  if (moved && view !== "search") {
    // Who goes on by keyboard goes on at the beginning of what is new, not of the page.
    const choice = chosen && document.querySelector(`[data-choice="${CSS.escape(chosen)}"]`);
    (choice || find("view")).focus({ preventScroll: true });
    chosen = null;
    if (view !== "matrix") find("view").scrollIntoView();
  }
};

let waiting = 0;
find("search").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    history.replaceState(null, "", address({ view: "search", q: find("search").value }));
    show(false);
  }, 120);
});
find("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") location.hash = address({ view: "matrix" });
  if (event.key === "Enter" || event.key === "ArrowDown") find("view").querySelector("a")?.focus();
});
addEventListener("hashchange", () => show(true));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, textarea")) return;
  if (event.key === "/") {
    event.preventDefault();
    find("search").focus();
  } else if (Object.hasOwn(KEYS, event.key)) location.hash = address({ view: KEYS[event.key] });
  else if (event.key === "j") find("next")?.click();
  else if (event.key === "k") find("previous")?.click();
});
find("nav").hidden = false;
find("keys").hidden = false;
show(false);
