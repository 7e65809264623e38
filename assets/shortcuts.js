// Keys of the Tokens and Data tabs, the checklist's links to the tabs, a look when the window comes back. Clicks buttons, and asks for an act on a row; nothing else.
(() => {
  const visible = (element) => element && element.offsetParent !== null;

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-goto]");
    if (!link) return;
    // In a narrow window the last tabs are entries of a menu.
    const tabs = document.querySelectorAll('#tw-tabs button[role="tab"], #tw-tabs .overflow-dropdown button');
    for (const tab of tabs) if (tab.textContent.trim() === link.dataset.goto) return tab.click();
  });

  const press = (id) => {
    const element = document.getElementById(id);
    (element?.tagName === "BUTTON" ? element : element?.querySelector("button"))?.click();
  };

  // Jobs that other windows or the command line started: the page asks when it is looked at again, not all the time.
  document.addEventListener("visibilitychange", () => document.hidden || press("tw-again"));

  // Rows of the Data tab: what is asked for is written into an unseen field, whose change the page hears.
  const rows = () => [...document.querySelectorAll("#tw-rows tr[data-place]")];
  const write = (id, words) => {
    const field = document.querySelector(`#${id} textarea, #${id} input`);
    if (!field) return;
    field.value = `${words} ${Date.now()}`;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const ask = (what, place) => {
    write("tw-act", `${what} ${place ?? 0}`);
    if (what === "edit" || what === "add") begin(50);
  };
  // The first text of the row that was opened takes the focus as soon as it is there.
  const begin = (tries) => {
    const panel = document.getElementById("tw-editor");
    const first = [...(panel?.querySelectorAll("textarea") ?? [])].find(visible);
    if (first) { first.focus({ preventScroll: true }); panel.scrollIntoView({ block: "nearest" }); }
    else if (tries) setTimeout(begin, 60, tries - 1);
  };
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#tw-rows tr[data-place]");
    if (!row) return;
    const button = event.target.closest("[data-act]");
    if (button) ask(button.dataset.act, row.dataset.place);
    else row.focus();
  });
  document.addEventListener("dblclick", (event) => {
    const row = event.target.closest("#tw-rows tr[data-place]");
    if (row) ask("edit", row.dataset.place);
  });
  // A fix of the checks' list: how far it is stands above the list.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mend]");
    if (!button) return;
    write("tw-mend", button.dataset.mend);
    document.getElementById("tw-checks")?.scrollIntoView({ block: "nearest" });
  });
  const changeRows = (event) => {
    const all = rows();
    if (!all.length || !visible(all[0])) return false;
    const target = event.target;
    const editor = target.closest?.("#tw-editor");
    if (editor && event.key === "Enter" && (event.ctrlKey || event.metaKey)) return press("tw-keep"), true;
    if (editor && event.key === "Escape") return press("tw-close"), true;
    const writing = target.matches("textarea, select, [contenteditable=true], input, [role=listbox], [role=option]");
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return false;
    const here = target.closest?.("tr[data-place]");
    const at = all.indexOf(here);
    // Drafts that are being read have the same keys, unless a row of the table has the focus.
    const free = here || (target === document.body && !visible(document.getElementById("tw-drafts")));
    const key = event.key.toLowerCase();
    if (free && (event.key === "ArrowDown" || key === "j")) all[Math.min(at + 1, all.length - 1)].focus();
    else if (here && (event.key === "ArrowUp" || key === "k")) all[Math.max(at - 1, 0)].focus();
    else if (here && key === "e" || here === target && event.key === "Enter") ask("edit", here.dataset.place);
    else if (here && key === "d") ask(here.classList.contains("tw-row-deleted") ? "restore" : "delete", here.dataset.place);
    else if (free && key === "a") ask("add");
    else if (free && key === "u") ask("undo");
    else return false;
    return true;
  };
  // The table is drawn anew after each act: the row that had the focus has it again.
  let chosen = null;
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("#tw-rows tr[data-place]");
    if (row) chosen = row.dataset.place;
    else if (!event.target.closest?.("#tw-rows")) chosen = null;
  });
  new MutationObserver(() => {
    if (chosen === null || document.activeElement !== document.body) return;
    rows().find((row) => row.dataset.place === chosen)?.focus({ preventScroll: true });
  }).observe(document, { childList: true, subtree: true });

  document.addEventListener("keydown", (event) => {
    if (changeRows(event)) return event.preventDefault();
    const browsing = visible(document.getElementById("tw-token-view"));
    const drafting = visible(document.getElementById("tw-drafts"));
    if (!browsing && !drafting) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const writing = target.matches("textarea, select, [contenteditable=true], input:not([type=checkbox]):not([type=radio])");
    if (writing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (browsing) {
      if (event.key === "n" || event.key === "ArrowRight") press("tw-token-next");
      else if (event.key === "p" || event.key === "ArrowLeft") press("tw-token-back");
      return;
    }
    if (drafting) {
      const keys = { a: "accept", r: "reject", u: "undo", n: "next", p: "back", arrowright: "next", arrowleft: "back" };
      const pressed = event.key.toLowerCase();
      if (pressed === "e") document.querySelector("#tw-draft-answer textarea")?.focus();
      else if (pressed in keys) press(`tw-draft-${keys[pressed]}`);
      else return;
      event.preventDefault();
      return;
    }
  });
})();
