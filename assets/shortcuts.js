// Keys of the Error review, Tokens and Data tabs, the checklist's links to the tabs, a look when the window comes back. Clicks buttons; nothing else.
(() => {
  const visible = (element) => element && element.offsetParent !== null;

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-goto]");
    if (!link) return;
    // In a narrow window the last tabs are entries of a menu.
    const tabs = document.querySelectorAll('#tw-tabs button[role="tab"], #tw-tabs .overflow-dropdown button');
    for (const tab of tabs) if (tab.textContent.trim() === link.dataset.goto) return tab.click();
  });

  const mark = (side, number) => document.querySelectorAll(`#tw-marks-${side} input[type=checkbox]`)[number]?.click();
  const verdict = (number) => document.querySelectorAll("#tw-verdict input[type=radio]")[number]?.click();
  const press = (id) => {
    const element = document.getElementById(id);
    (element?.tagName === "BUTTON" ? element : element?.querySelector("button"))?.click();
  };

  // Jobs that other windows or the command line started: the page asks when it is looked at again, not all the time.
  document.addEventListener("visibilitychange", () => document.hidden || press("tw-again"));

  document.addEventListener("keydown", (event) => {
    const reviewing = visible(document.getElementById("tw-review"));
    const browsing = visible(document.getElementById("tw-token-view"));
    const drafting = visible(document.getElementById("tw-drafts"));
    if (!reviewing && !browsing && !drafting) return;
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
    const digit = /^Digit([1-4])$/.exec(event.code);
    const verdicts = { b: 0, t: 1, e: 2, x: 3 };
    const key = event.key.toLowerCase();
    if (digit) mark(event.shiftKey ? "base" : "tuned", Number(digit[1]) - 1);
    else if (key in verdicts) verdict(verdicts[key]);
    else if (key === "n" || event.key === "ArrowRight") press("tw-review-next");
    else if (key === "p" || event.key === "ArrowLeft") press("tw-review-back");
    else if (event.key === "Enter" && target.tagName !== "BUTTON") press("tw-accept");
    else return;
    event.preventDefault();
    // A radio that keeps the focus would take the arrow keys for itself.
    if (document.activeElement?.matches("input")) document.activeElement.blur();
  });
})();
