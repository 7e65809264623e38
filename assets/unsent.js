// What a desk says goes to the server in order; until it is stored it lies in this browser's storage, also over a reload.
window.tunewright = (() => {
  async function ask(what, headers, body) {
    const answer = await fetch(`label/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
    const read = await answer.json().catch(() => ({}));
    if (answer.ok) return read;
    const refused = answer.status === 400 || answer.status === 403 || answer.status === 413;
    throw Object.assign(new Error(read.error || `The server answered ${answer.status}.`), { refused, unknown: answer.status === 401 });
  }

  // `scope`: whose events of which review. `told`: store(event) → answer; heard(event, answer); refused(event, sentence)
  // for what never will be stored; waits(n), unknown(sentence, n), sends() for the state that is shown.
  function unsent(scope, told) {
    const prefix = `tunewright-unsent:${scope}:`, memory = new Map();
    let sending = false, failures = 0;

    function waiting() {
      const found = [...memory.entries()];
      for (let i = 0; i < localStorage.length; i++) {
        const name = localStorage.key(i);
        if (name.startsWith(prefix)) try { found.push([name, JSON.parse(localStorage.getItem(name))]); } catch { /* not ours */ }
      }
      return found.sort((x, y) => x[1].made - y[1].made);
    }
    function add(said) {
      const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 12)}`;
      const event = { key, made: Date.now(), ...said };
      try { localStorage.setItem(prefix + key, JSON.stringify(event)); }
      catch { memory.set(prefix + key, event); } // a full or forbidden storage: as long as the page is open
      send();
    }
    const forget = (name) => { memory.delete(name); localStorage.removeItem(name); };

    async function send() {
      if (sending) return;
      sending = true;
      let next;
      try {
        while ((next = waiting()[0])) {
          told.sends();
          const [name, event] = next, answer = await told.store({ ...event, age: (Date.now() - event.made) / 1000 });
          forget(name); failures = 0;
          told.heard(event, answer);
        }
        sending = false;
      } catch (error) {
        if (error.refused) {
          forget(next[0]);
          told.refused(next[1], error.message);
          sending = false;
          return send();
        }
        failures += 1;
        if (error.unknown) told.unknown(error.message, waiting().length);
        else told.waits(waiting().length);
        setTimeout(() => { sending = false; send(); }, error.unknown ? 60000 : Math.min(1000 * 2 ** (failures - 1), 15000));
      }
    }
    return { add, send };
  }

  return { ask, unsent, guest: "" };
})();
