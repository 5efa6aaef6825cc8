// The queue by keyboard, many at once, and what comes while it is read. Everything here has its link or button.
(() => {
  const form = document.getElementById("queue-form");
  const search = document.getElementById("queue-search");
  const all = document.getElementById("select-all");
  const chosen = document.getElementById("chosen");
  const rows = () => [...form.querySelectorAll("[data-conversation]")];
  const boxes = () => [...form.querySelectorAll("[name=conversation]")];
  const box = row => row?.querySelector("[name=conversation]");
  const link = row => row?.querySelector("a");
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const address = location.pathname + location.search;
  let current = null, last = null;

  // Signed out, or no longer at this desk: what stands here is for these eyes no more.
  document.addEventListener("htmx:responseError", event => {
    if (event.detail.elt.id === "queue-news" && [401, 404].includes(event.detail.xhr.status)) location.reload();
  });

  // Where one is.

  function go(row, { quietly } = {}) {
    current?.classList.remove("current");
    current = row;
    current.classList.add("current");
    if (!quietly) link(row).focus();
  }

  function step(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current);
    go(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]);
  }

  form.addEventListener("focusin", event => {
    const row = event.target.closest("[data-conversation]");
    if (row) go(row, { quietly: true });
  });

  // Coming back one is where one was: a number, nothing of what stands there.
  addEventListener("pagehide", () => sessionStorage.setItem("queue", JSON.stringify([address, rows().indexOf(current)])));
  const [was, index] = JSON.parse(sessionStorage.getItem("queue") || "[]");
  if (was === address && index >= 0 && rows().length && !document.querySelector("#error-summary")) go(rows()[Math.min(index, rows().length - 1)]);

  // What is selected.

  function count() {
    const number = boxes().filter(each => each.checked).length;
    form.classList.toggle("choosing", number > 0);
    if (chosen) {
      chosen.hidden = !number;
      chosen.textContent = `${chosen.dataset.words} ${number}`;
    }
    if (all) {
      all.checked = number > 0 && number === boxes().length;
      all.indeterminate = number > 0 && number < boxes().length;
    }
  }

  form.addEventListener("click", event => {
    const on = event.target;
    if (on === all) {
      for (const each of boxes()) each.checked = all.checked;
    } else if (on.name === "conversation") {
      const list = boxes(), here = list.indexOf(on), from = list.indexOf(last);
      if (event.shiftKey && from >= 0) for (const each of list.slice(Math.min(here, from), Math.max(here, from) + 1)) each.checked = on.checked;
      last = on;
    } else return;
    count();
  });
  if (all) all.closest("label").hidden = false;
  addEventListener("pageshow", count);

  // Nothing selected means the conversation where one is.
  form.addEventListener("submit", event => {
    if (boxes().some(each => each.checked)) return;
    if (current) {
      box(current).checked = true;
      count();
    } else {
      event.preventDefault();
      event.stopImmediatePropagation();
      say(form.dataset.none);
    }
  }, true);

  // One menu at a time, and Escape closes it.
  for (const menu of form.querySelectorAll(".menu")) {
    menu.addEventListener("toggle", () => {
      if (!menu.open) return;
      for (const other of form.querySelectorAll(".menu[open]")) if (other !== menu) other.open = false;
      menu.querySelector("button, select, input")?.focus();
    });
    menu.addEventListener("keydown", event => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
  document.addEventListener("click", event => {
    for (const menu of form.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // Keys: those that have a button are the desk's own (data-key).

  document.addEventListener("keydown", event => {
    const on = event.target;
    if (event.isComposing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (on === search && event.key === "Escape") return search.blur();
    if (document.body.dataset.keys === "off" && event.key.length === 1) return;
    if (on.matches("input:not([type=checkbox]), select, textarea") || on.closest(".menu[open]")) return;
    if (event.key === "j" || event.key === "ArrowDown") step(1);
    else if (event.key === "k" || event.key === "ArrowUp") step(-1);
    else if (event.key === "o" && current) link(current).click();
    else if (event.key === "x" && current) box(current).click();
    else if (event.key === "/") { search.focus(); search.select(); }
    else if (event.key === "Escape" && boxes().some(each => each.checked)) {
      for (const each of boxes()) each.checked = false;
      count();
    } else return;
    event.preventDefault();
  });

  // An address that can be read: what isn't asked for isn't in it.
  search.form.addEventListener("formdata", event => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });

  // What came while one reads: rows stay where they are. One that changed is drawn anew in its place, unless it is selected; one
  // that left says so. What is new waits behind the button.
  document.addEventListener("htmx:afterSwap", () => {
    const news = document.querySelector("#queue-news template");
    if (!news) return;
    const fresh = new Map([...news.content.querySelectorAll("[data-conversation]")].map(row => [row.dataset.conversation, row]));
    for (const row of rows()) row.style.blockSize = `${row.getBoundingClientRect().height}px`;  // whatever it says now, what is below stays
    for (const row of rows()) {
      const now = fresh.get(row.dataset.conversation);
      if (now && box(now).value === box(row).value) {
        row.querySelector(".wait").replaceWith(now.querySelector(".wait"));
        row.classList.toggle("overdue", now.classList.contains("overdue"));
      } else if (now && !box(row).checked) {
        const focused = row.contains(document.activeElement) && (document.activeElement === box(row) ? box : link);
        row.className = `${now.className}${row === current ? " current" : ""}`;
        row.replaceChildren(...now.childNodes);
        if (focused) focused(row).focus();
      } else {
        mark(row, now ? form.dataset.changed : form.dataset.gone);
        row.classList.toggle("gone", !now);
      }
    }
    news.remove();
  });

  // In the place of how long it waits, so that the row keeps its height.
  function mark(row, words) {
    const line = row.querySelector(".wait");
    line.classList.add("changed");
    line.textContent = words;
  }

  count();
})();
