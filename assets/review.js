// The desk of the Error review, in its tab and on the page of people who were invited. Shows items that were fetched
// ahead, and stores what is said of them in the background: whatever is not stored yet lies in this browser's storage.
(() => {
  const AHEAD = 4, KEPT = 60, WAIT = 400;
  const SIDES = ["a", "b", "reference"];
  const NEXT = { absent: "present", present: "unsure", unsure: "absent" };
  const PRESSED = { absent: "false", present: "true", unsure: "mixed" };
  const points = (text) => [...text].length; // as Python counts characters
  const nothing = () => ({ verdict: "none", labels: {}, spans: {}, correction: "", note: "" });
  const copy = (value) => JSON.parse(JSON.stringify(value));

  function mount(desk) {
    const one = (query) => desk.querySelector(query);
    const all = (query) => [...desk.querySelectorAll(query)];
    const section = (side) => one(`[data-side="${side}"]`);
    const { job, visitor, guest } = desk.dataset;
    let items = [], at = -1, item = null, since = {}, done = [], progress = null;
    let again = false, began = 0, seen = 0, timer = 0, fetching = null, ended = {}, asked = 0;
    const life = new AbortController(), here = { signal: life.signal };

    // --- asking the server -------------------------------------------------------------------------------------
    async function post(what, body) {
      const headers = { "content-type": "application/json" };
      if (guest) headers.authorization = `Bearer ${tunewright.guest}`;
      else headers["x-tunewright-visitor"] = visitor;
      return tunewright.ask(what, headers, { job, ...body });
    }
    const blind = () => one("[data-blind]").checked;
    const hints = () => one("[data-hints]").checked && item?.hints !== false;
    const wanted = () => ({ filter: one("[data-filter]").value, search: one("[data-search]").value, blind: blind() });

    async function more(step) {
      if (fetching || ended[step]) return fetching;
      const edge = step > 0 ? items.at(-1) : items[0];
      const mine = asked, from_ = performance.now();
      fetching = (async () => {
        try {
          const n = items.length ? AHEAD : 2; // the first two at once, the others behind them
          const answer = await post("items", { ...wanted(), from: edge ? edge.place : null, step, n, have: items.filter((i) => !i.counted).map((i) => i.id) });
          if (mine !== asked) return;
          progress = answer.progress; // and what was labelled since it was asked for
          progress.done += items.filter((i) => i.counted && !(i.heard < from_)).length;
          if (answer.items.length < n) ended[step] = true;
          if (step > 0) items.push(...answer.items);
          else { items.unshift(...answer.items.reverse()); at += answer.items.length; }
          if (at > KEPT) { items.splice(0, at - KEPT); at = KEPT; ended[-1] = false; }
          told();
        } catch (error) { say(`${error.message} ${error.refused ? "" : "The next answers could not be fetched; try again."}`); }
        finally { if (mine === asked) fetching = null; }
      })();
      return fetching;
    }
    async function begin(id) {
      asked += 1; fetching = null; ended = {}; again = false; items = []; at = -1; item = null;
      if (id) { // the same item, as the desk shows it now
        try { items = (await post("items", { ...wanted(), only: id, n: 1 })).items; } catch (error) { say(error.message); }
      }
      if (!items.length) await more(1);
      if (items.length) show(0);
      else empty();
    }
    async function go(step) {
      flush();
      if (step > 0 && again) return begin();
      const mine = asked;
      for (let tries = 0; tries < 3 && !items[at + step] && !ended[step]; tries++) await more(step);
      if (mine !== asked) return;
      if (items[at + step]) return show(at + step);
      ended[step] = false; // others may give something back: the next press asks anew
      if (step > 0) atTheEnd();
    }
    function atTheEnd() {
      const left = progress ? progress.of - progress.done : 0;
      if (one("[data-filter]").value !== "todo") return say("This was the last that matches.", "note");
      again = left > 0 && !guest;
      say(again ? `These were the last; ${left} of all are not labelled yet. N begins with them again.` : "No further answer waits. What is labelled can be chosen above.", "note");
    }

    // --- showing an item ---------------------------------------------------------------------------------------
    function show(to) {
      at = to; item = items[at]; again = false;
      item.state ??= item.said ? { ...nothing(), ...copy(item.said) } : nothing();
      since[item.id] ??= item.since;
      began = document.hidden ? 0 : performance.now(); seen = 0;
      one("[data-asks]").textContent = item.asks;
      for (const place of ["prompt", ...SIDES]) {
        const text = one(`[data-text="${place}"]`), part = item.parts[place];
        text.innerHTML = part.html; // escaped by the server
        text.dataset.empty = part.empty || "";
        text.scrollTop = 0;
        if (place === "prompt") continue;
        const around = section(place);
        if (part.detail !== undefined) around.querySelector("[data-detail]").textContent = part.detail;
        if (part.reasons !== undefined) around.querySelector("[data-reasons]").innerHTML = part.reasons;
      }
      one("[data-voices]").innerHTML = item.settles || ""; // escaped by the server
      one("[data-voices]").hidden = !item.settles;
      one("[data-correction]").value = item.state.correction;
      one("[data-note]").value = item.state.note;
      item.start ??= "";
      correcting(Boolean(item.state.correction), false);
      told(); paint(); notice("");
      one(".tw-desk-sides").scrollLeft = 0;
      if (items.length - at <= AHEAD) more(1);
    }
    function empty() {
      item = null;
      for (const text of all("[data-text]")) { text.textContent = ""; text.dataset.empty = ""; }
      for (const list of all("[data-reasons], [data-spans]")) list.textContent = "";
      one("[data-asks]").textContent = ""; one("[data-note]").value = ""; correcting(false, false);
      say(one("[data-filter]").value === "todo" && !one("[data-search]").value ? "Every answer is labelled. What is labelled can be chosen above." : "Nothing matches. Choose something else above.", "note");
      told(); paint();
    }
    function told() {
      const place = item && item.place !== null ? `${item.place + 1} of ${progress?.of ?? "…"}` : "";
      const share = progress?.of ? Math.round((100 * progress.done) / progress.of) : 0;
      one("[data-count]").textContent = [place, progress ? `${progress.done}${item?.place === null ? ` of ${progress.of}` : ""} labelled` : ""].filter(Boolean).join(" · ");
      one(".tw-desk-track").setAttribute("aria-valuenow", share);
      one(".tw-desk-track i").style.width = `${share}%`;
    }
    function paint() { // the buttons as the state says
      const state = item?.state ?? nothing(), names = item?.names;
      desk.classList.toggle("tw-desk-bare", !item);
      desk.classList.toggle("tw-desk-quiet", !hints());
      for (const side of ["a", "b"]) {
        for (const name of all(`[data-name="${side}"]`)) name.textContent = names ? names[side] : side.toUpperCase();
        section(side).dataset.kind = names ? names[side].toLowerCase() : "";
      }
      for (const side of ["a", "b"]) section(side).classList.toggle("tw-desk-shifted", side === (item && !item.blind ? "a" : "b"));
      for (const side of SIDES) {
        const suggested = hints() ? item?.parts[side].suggested ?? [] : [];
        section(side).querySelectorAll("[data-label]").forEach((button, i) => {
          const name = button.dataset.label, mark = state.labels[side]?.[name] ?? "absent";
          if (side !== "reference") button.querySelector("kbd").textContent = i < 9 ? `${i + 1}` : "";
          button.setAttribute("aria-pressed", PRESSED[mark]);
          button.classList.toggle("tw-desk-suggested", suggested.includes(name));
          button.title = suggested.includes(name) ? "A detector suggests it" : "";
        });
        const list = section(side).querySelector("[data-spans]");
        list.textContent = "";
        const marked = Object.entries(state.spans[side] ?? {});
        const text = marked.length ? [...one(`[data-text="${side}"]`).textContent] : [];
        for (const [name, found] of marked) found.forEach(([start, end], i) => {
          const entry = document.createElement("li"), button = document.createElement("button");
          const words = text.slice(start, Math.min(end, start + 40)).join("") + (end - start > 40 ? "…" : "");
          button.type = "button"; button.textContent = `“${words}” ×`;
          button.setAttribute("aria-label", `${title(name)} at “${words}”: take the mark away`);
          button.addEventListener("click", () => change(() => state.spans[side][name].splice(i, 1)));
          entry.append(`${title(name)} `, button); list.append(entry);
        });
      }
      for (const button of all("[data-verdict]")) button.setAttribute("aria-pressed", String(state.verdict === button.dataset.verdict));
      lit();
    }
    const title = (name) => one(`[data-label="${CSS.escape(name)}"] .tw-desk-title`)?.textContent ?? name;
    function lit() { // marked places, without touching the text
      if (!window.Highlight) return; // an older browser: the list below the text tells
      const ranges = SIDES.flatMap((side) => Object.values(item?.state.spans[side] ?? {}).flat().map(([start, end]) => range(one(`[data-text="${side}"]`), start, end)));
      CSS.highlights.set("tw-place", new Highlight(...ranges.filter(Boolean)));
    }
    function range(text, start, end) {
      const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT), made = document.createRange();
      let passed = 0, open = false;
      for (let node; (node = walker.nextNode()); ) {
        const letters = [...node.data], units = (n) => letters.slice(0, n).join("").length;
        if (!open && start <= passed + letters.length) { made.setStart(node, units(start - passed)); open = true; }
        if (open && end <= passed + letters.length) { made.setEnd(node, units(end - passed)); return made; }
        passed += letters.length;
      }
      return null;
    }
    function selected() { // [side, start, end] of what is selected in one of the texts
      const selection = getSelection();
      if (!selection.rangeCount || selection.isCollapsed) return null;
      const chosen = selection.getRangeAt(0);
      for (const side of SIDES) {
        const text = one(`[data-text="${side}"]`);
        if (!text.contains(chosen.startContainer) || !text.contains(chosen.endContainer)) continue;
        const before = document.createRange();
        before.selectNodeContents(text); before.setEnd(chosen.startContainer, chosen.startOffset);
        const start = points(before.toString()), end = start + points(chosen.toString());
        return end > start ? [side, start, end] : null;
      }
      return null;
    }
    function notice(sentence, kind = "warning") {
      const box = one("[data-notice]");
      box.textContent = sentence; box.hidden = !sentence; box.className = `tw-desk-notice tw-${kind}`;
    }
    const say = (sentence, kind) => notice(sentence.trim(), kind);
    const saved = (sentence, kind = "") => { const box = one("[data-saved]"); box.textContent = sentence; box.className = `tw-desk-saved ${kind}`; };

    // --- what a person says ------------------------------------------------------------------------------------
    function change(act) {
      if (!item) return;
      act(item.state);
      if (progress && !item.counted && !item.said) { progress.done += 1; item.counted = true; told(); }
      item.dirty = true;
      paint();
      saved("…");
      clearTimeout(timer); timer = setTimeout(flush, WAIT);
    }
    function mark(side, name) {
      const place = selected();
      if (place && (place[0] === "reference") === (name === "reference_wrong")) side = place[0];
      change((state) => {
        const labels = (state.labels[side] ??= {}), spans = (state.spans[side] ??= {});
        if (place && place[0] === side) {
          const found = (spans[name] ??= []);
          if (!found.some(([a, b]) => a === place[1] && b === place[2])) found.push([place[1], place[2]]);
          found.sort((a, b) => a[0] - b[0]);
          labels[name] = "present";
          getSelection().removeAllRanges();
        } else {
          labels[name] = NEXT[labels[name] ?? "absent"];
          if (labels[name] === "absent") delete spans[name];
        }
      });
    }
    function decide(value) {
      change((state) => (state.verdict = state.verdict === value ? "none" : value));
      flush(); // the names of the sides come with the answer
    }
    function correcting(open, focus = true) {
      one(".tw-desk-correct").hidden = !open;
      one('[data-act="correct"]').setAttribute("aria-expanded", String(open));
      one(".tw-desk-reference").classList.toggle("tw-desk-writing", open);
      if (open && focus) one("[data-correction]").focus();
      if (open) compare();
    }
    function start(side) {
      const field = one("[data-correction]");
      item.start = side;
      field.value = one(`[data-text="${side}"]`).textContent;
      field.focus();
      written(); compare();
    }
    function written() {
      change((state) => { state.correction = one("[data-correction]").value; state.note = one("[data-note]").value; });
    }
    let comparing = 0;
    function compare() { // what the correction changes of what it began with
      clearTimeout(comparing);
      comparing = setTimeout(async () => {
        const box = one("[data-edits]"), mine = item, after = one("[data-correction]").value.trim();
        if (!mine || !after) { box.hidden = true; return; }
        const before = one(`[data-text="${mine.start || "reference"}"]`).textContent;
        try {
          const answer = await post("edits", { before, after });
          if (item === mine) { box.innerHTML = answer.html; box.hidden = before === after; }
        } catch { box.hidden = true; }
      }, 300);
    }
    function flush() {
      clearTimeout(timer);
      if (!item?.dirty) return;
      item.dirty = false;
      if (!item.settles) done.push(item.id);
      queue({ item: item.id, said: item.state, version: item.version, blind: item.blind, hints: hints(), seconds: seconds(), settles: Boolean(item.settles) });
    }
    const seconds = () => Math.round((seen + (began ? performance.now() - began : 0)) / 100) / 10;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { seen += began ? performance.now() - began : 0; began = 0; flush(); }
      else began = performance.now();
    }, here);
    function undo() {
      flush();
      const id = done.pop();
      if (!id) return say("There is nothing of this visit left to take back.", "note");
      queue({ item: id, undo: true, blind: items.find((i) => i.id === id)?.blind ?? blind() });
    }

    // --- what is stored, and what comes back -------------------------------------------------------------------
    const queue = ({ item: id, ...said }) => unsent.add({ item: id, ...copy(said) });
    const unsent = tunewright.unsent(`${job}:${guest ? desk.dataset.annotator : "owner"}`, {
      store: (event) => post("store", { ...event, since: since[event.item] ?? 0 }),
      heard, refused,
      waits: (n) => saved(`not stored: trying again (${n} kept in this browser)`, "tw-desk-trouble"),
      unknown: (sentence, n) => { saved("not stored", "tw-desk-trouble"); notice(`${sentence} ${n} kept in this browser, and stored when you are known again.`, "error"); },
      sends: () => saved("storing …"),
    });
    function heard(event, answer) {
      since[event.item] = answer.since;
      saved(`stored ${answer.stored}`);
      clearTimeout(resting); resting = setTimeout(rested, 2500);
      const known = items.find((i) => i.id === event.item);
      if (answer.notice) notice(answer.notice);
      if (!known) return answer.undone && saved(`taken back ${answer.stored}`);
      if (answer.undone) {
        known.state = answer.said ? { ...nothing(), ...copy(answer.said) } : nothing();
        if (!answer.said && progress) { progress.done = Math.max(0, progress.done - 1); known.counted = false; known.said = null; }
        if (known.blind) known.names = null;
        show(items.indexOf(known));
        saved(`taken back ${answer.stored}`);
        return;
      }
      known.heard = performance.now();
      if (answer.names || known.blind) known.names = answer.names;
      if (known === item) paint();
    }
    let resting = 0, suggested = false;
    async function rested() { // what else the page shows of the labels; may one stop?
      for (const id of ["tw-review-rest", "tw-again"]) document.getElementById(id)?.click();
      if (guest || suggested) return;
      try {
        const { sentence } = await post("enough", {});
        if (sentence) { suggested = true; say(sentence, "note"); }
      } catch { /* it is asked again after the next label */ }
    }
    function refused(event, sentence) {
      saved("not stored", "tw-desk-trouble");
      const words = [event.said?.correction, event.said?.note].filter(Boolean).join("\n\n");
      notice(`${sentence} It was not stored.${words ? ` What you wrote: ${words}` : ""}`, "error");
    }
    addEventListener("online", unsent.send, here);
    addEventListener("pagehide", flush, here);

    // --- buttons and keys --------------------------------------------------------------------------------------
    const acts = {
      next: () => go(1), back: () => go(-1), undo,
      done: () => { if (item) { if (!item.dirty) change(() => {}); go(1); } },
      keys: () => one("[data-keys]").showModal(),
      large: () => { const on = desk.classList.toggle("tw-desk-large"); one('[data-act="large"]').setAttribute("aria-pressed", String(on)); document.body.classList.toggle("tw-desk-alone", on); },
      history: async () => {
        const dialog = one("[data-history]");
        if (guest || !item) return;
        try { dialog.innerHTML = (await post("history", { item: item.id })).html; dialog.showModal(); } catch (error) { say(error.message); }
      },
      correct: () => correcting(one(".tw-desk-correct").hidden),
      add: async () => {
        const name = prompt("A label of your own, for this project:");
        if (!name?.trim()) return;
        try {
          const answer = await post("add", { title: name });
          for (const button of all('[data-act="add"]')) button.insertAdjacentHTML("beforebegin", answer.html);
          paint();
        } catch (error) { say(error.message); }
      },
    };
    desk.addEventListener("mousedown", (event) => { if (event.target.closest("[data-label]")) event.preventDefault(); }); // keeps what is selected
    desk.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || (!item && !["keys", "back", "large", "undo"].includes(button.dataset.act))) return;
      const { label, verdict, act, start: from } = button.dataset;
      if (label) mark(button.closest("[data-side]").dataset.side, label);
      else if (verdict) decide(verdict);
      else if (from) start(from);
      else if (act) acts[act]();
    });
    for (const name of ["[data-correction]", "[data-note]"]) {
      one(name).addEventListener("input", () => { written(); if (name === "[data-correction]") compare(); });
      one(name).addEventListener("blur", flush);
    }
    one("[data-filter]").addEventListener("change", () => { flush(); begin(); });
    one("[data-search]").addEventListener("change", () => { flush(); begin(); });
    one("[data-blind]").addEventListener("change", () => { flush(); begin(item?.id); });
    one("[data-hints]").addEventListener("change", paint);

    desk.handle = (event) => {
      if (one("dialog[open]")) return false;
      const target = event.target;
      const writing = target.matches("textarea, select, [contenteditable=true], input:not([type=checkbox])");
      if (writing) {
        if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) { target.blur(); desk.focus({ preventScroll: true }); return true; }
        return false;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const key = event.key.toLowerCase(), digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
      if (key === "?") acts.keys();
      else if (key === "f") acts.large();
      else if (key === "escape" && desk.classList.contains("tw-desk-large")) acts.large();
      else if (key === "u") undo();
      else if (key === "p" || key === "arrowleft") go(-1);
      else if (key === "n" || key === "arrowright") go(1);
      else if (!item) return false;
      else if (digit) {
        const side = event.shiftKey === item.blind ? "b" : "a";
        const button = section(side).querySelectorAll("[data-label]")[digit[1] - 1];
        if (button) mark(side, button.dataset.label);
      }
      else if (key === "a" || key === "b") decide(key);
      else if (key === "t") decide("tie");
      else if (key === "x") decide("both_bad");
      else if (key === "r") mark("reference", "reference_wrong");
      else if (key === "h") acts.history();
      else if (key === "c") correcting(true);
      else if (key === "m") one("[data-note]").focus();
      else if (key === "enter" && !target.closest("button, a, summary")) acts.done();
      else return false;
      return true;
    };
    const room = () => { const top = desk.getBoundingClientRect().top + scrollY; desk.style.setProperty("--tw-desk-top", `${Math.round(Math.min(top, 320))}px`); };
    const sizes = new ResizeObserver(room);
    room(); addEventListener("resize", room, here); sizes.observe(document.body);
    desk.leave = () => { flush(); life.abort(); sizes.disconnect(); };
    begin(); unsent.send();
  }

  document.addEventListener("click", (event) => {
    const copied = event.target.closest?.("[data-copy]");
    if (!copied) return;
    navigator.clipboard?.writeText(copied.parentElement.querySelector("code").textContent);
    copied.textContent = "Copied";
  });
  const complete = () => { for (const code of document.querySelectorAll("code[data-address]:not([data-whole])")) { code.dataset.whole = ""; code.textContent = new URL(code.dataset.address, document.baseURI).href; } };

  // Gradio draws the desk anew for another evaluation: whichever is there is worked.
  let worked = [];
  const look = () => {
    complete();
    for (const desk of worked) if (!desk.isConnected) desk.leave();
    worked = worked.filter((desk) => desk.isConnected);
    for (const desk of document.querySelectorAll(".tw-desk:not([data-mounted])")) { desk.dataset.mounted = ""; mount(desk); worked.push(desk); }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", look);
  document.addEventListener("keydown", (event) => {
    const desk = document.querySelector(".tw-desk[data-mounted]");
    if (desk?.offsetParent && !event.defaultPrevented && desk.handle?.(event)) event.preventDefault();
  });
})();
