// The page of people who were invited: it asks for a name once, then shows the desk.
(() => {
  // The page of an invited person. The link's secret stands behind its #, which no browser sends; the one of this
  // browser, given for a name, is kept under it.
  const door = {
    secret: () => location.hash.slice(1),
    kept: () => `tunewright-guest:${door.secret().slice(0, 12)}`,
    async open() {
      const main = document.querySelector(".tw-outside main");
      if (!main) return;
      if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
      const plain = (sentence) => { const p = document.createElement("p"); p.className = "tw-door"; p.setAttribute("role", "alert"); p.textContent = sentence; return p; };
      const kind = { "content-type": "application/json" };
      const enter = async (own) => { tunewright.guest = own; main.innerHTML = (await tunewright.ask("desk", { ...kind, authorization: `Bearer ${own}` }, {})).html; };
      try {
        const own = localStorage.getItem(door.kept());
        if (own) return await enter(own);
        const headers = { ...kind, authorization: `Bearer ${door.secret()}` };
        main.innerHTML = (await tunewright.ask("look", headers, {})).html;
        const form = main.querySelector("form");
        form.addEventListener("submit", async (event) => {
          event.preventDefault();
          form.querySelector("[role=alert]")?.remove();
          try {
            const { secret } = await tunewright.ask("join", headers, { name: new FormData(form).get("name") });
            localStorage.setItem(door.kept(), secret);
            await enter(secret);
          } catch (error) { form.append(plain(error.message)); }
        });
        form.querySelector("input").focus();
      } catch (error) { main.replaceChildren(plain(error.message)); }
    },
  };

  document.addEventListener("DOMContentLoaded", door.open);
  addEventListener("hashchange", door.open);
})();
