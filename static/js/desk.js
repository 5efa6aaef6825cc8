// The keys of the desk. Each page works without them.
(() => {
  for (const part of document.querySelectorAll("[data-print], [data-copy]")) part.hidden = false;

  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const isField = element => element.matches("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");
  const found = () => [...document.querySelectorAll("#found .found-item")];

  // Keys of one letter can be switched off. No word of anybody's is kept here, only that.
  document.body.dataset.keys = localStorage.getItem("keys") || "on";
  const useKeys = document.getElementById("use-keys");
  if (useKeys) {
    document.getElementById("keys-switch").hidden = false;
    useKeys.checked = document.body.dataset.keys === "on";
    useKeys.addEventListener("change", () => {
      document.body.dataset.keys = useKeys.checked ? "on" : "off";
      localStorage.setItem("keys", document.body.dataset.keys);
    });
  }

  document.addEventListener("click", async event => {
    const button = event.target.closest("[data-print], [data-copy]");
    if (!button) return;
    if (button.hasAttribute("data-print")) return print();
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    button.textContent = button.dataset.copied;
    say(button.dataset.copied);
  });

  // Whoever opens the search for items, or goes to the answer, types there next: at once, or a fast hand's letters would be keys.
  document.addEventListener("click", event => {
    const part = event.target.closest(".recommend > summary")?.parentElement, search = document.getElementById("q");
    if (part && search && !part.open) {
      event.preventDefault();
      part.open = true;
      search.focus();
    }
    if (event.target.closest("a[href='#id_body']")) {  // and on with what was begun
      const answer = document.getElementById("id_body");
      answer.focus({ preventScroll: true });
      answer.setSelectionRange(answer.value.length, answer.value.length);
    }
  });

  document.addEventListener("keydown", event => {
    if (event.isComposing) return;
    const on = event.target;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const main = (on.closest("[data-form]") || document.querySelector("[data-form]"))?.querySelector("[data-main]");
      if (main) { event.preventDefault(); main.click(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (on.matches("[data-find]")) return inSearch(event, on);
    if (on.matches(".found-item")) return inFound(event, on);
    if (event.key === "Enter" && on.matches("[data-form] input:not([type=checkbox])")) {
      event.preventDefault();  // a line of the form is not its end
      if (on.matches("[data-reason]")) document.getElementById("q")?.focus();
      else if (on.closest(".by-hand")) document.getElementById("add-item").click();
      return;
    }
    if (isField(on) || document.body.dataset.keys === "off") return;
    if (event.key === "?") {
      const keys = document.getElementById("keys");
      if (keys) { keys.open = !keys.open; keys.classList.toggle("over", keys.open); }
      return;
    }
    if (event.key === "Escape" && document.querySelector(".keys.over[open]")) return closeKeys();
    const named = event.key.length === 1 && document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (named && !event.repeat) { event.preventDefault(); named.click(); }
  });

  const closeKeys = () => {
    const keys = document.querySelector(".keys.over");
    if (!keys) return;
    keys.open = false;
    keys.classList.remove("over");
  };
  document.addEventListener("click", event => { if (!event.target.closest(".keys")) closeKeys(); });

  // Enter finds; once the list shows what was typed, Enter picks its first, or goes on to write what was not found; with nothing typed it goes on.
  function inSearch(event, field) {
    if (event.key === "ArrowDown" && found().length) {
      event.preventDefault();
      found()[0].focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const shown = document.querySelector("#found [data-query]")?.dataset.query;
      if (!field.value.trim()) document.getElementById(field.form.dataset.after)?.focus();
      else if (shown === field.value.trim()) found().length ? found()[0].click() : writeByHand(shown);
      else htmx.trigger(field, "find-now");
    } else if (event.key === "Escape") {
      document.getElementById("found").replaceChildren();
    }
  }

  function writeByHand(title) {
    document.querySelector(".by-hand").open = true;
    document.getElementById("id_new-title").value ||= title;
    document.getElementById("id_new-kind").focus();
  }

  function inFound(event, button) {
    const all = found(), at = all.indexOf(button);
    if (event.key === "ArrowDown") (all[at + 1] || button).focus();
    else if (event.key === "ArrowUp") (all[at - 1] || document.getElementById("q")).focus();
    else if (event.key === "Escape") document.getElementById("q").focus();
    else return;
    event.preventDefault();
  }

  // A session that is being recorded is put on the tray before this computer is locked (lock.js).
  let typed = false;
  for (const sign of ["input", "change"]) document.addEventListener(sign, event => { if (event.target.closest("#record-form")) typed = true; });
  document.addEventListener("htmx:beforeRequest", event => { if (event.detail.elt.id === "autosave") typed = false; });
  document.addEventListener("leaving", event => {
    if (!typed) return;
    event.detail.push(new Promise(done => {
      document.addEventListener("htmx:afterRequest", asked => { if (asked.detail.elt.id === "autosave" && !typed) done(); });
      htmx.trigger("#record-form", "items-changed");
    }));
  });

  // An answer from another address is the sign-in page: what was typed must not be replaced by it.
  const stay = event => {
    const notice = document.getElementById("signed-out");
    if (!notice) return;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
    event.detail.shouldSwap = false;
  };
  document.addEventListener("htmx:beforeSwap", event => {
    const { xhr, requestConfig } = event.detail;
    const asked = new URL(requestConfig.path, location).pathname;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) stay(event);
  });
  document.addEventListener("htmx:responseError", stay);
  document.addEventListener("htmx:sendError", stay);
  document.addEventListener("htmx:afterRequest", event => {
    const notice = document.getElementById("signed-out");
    const { xhr, requestConfig } = event.detail;
    if (notice && event.detail.successful && new URL(xhr.responseURL).pathname === new URL(requestConfig.path, location).pathname) notice.hidden = true;
  });
})();
