// The queue: keyboard shortcuts, selecting several conversations, and updates while staff read. Everything also works
// with a link or a button.
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
  let current = null, lastClicked = null;

  // After a sign-out, or when a role has ended, the list must not stay visible.
  document.addEventListener("htmx:responseError", event => {
    if (event.detail.elt.id === "queue-news" && [401, 404].includes(event.detail.xhr.status)) location.reload();
  });

  // The current row

  function go(row, { quietly } = {}) {
    current?.classList.remove("current");
    current = row;
    current.classList.add("current");
    if (!quietly) link(row).focus();
  }

  function step(by) {
    const list = rows();
    if (!list.length) return;
    const index = list.indexOf(current);
    go(list[index < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(index + by, 0), list.length - 1)]);
  }

  form.addEventListener("focusin", event => {
    const row = event.target.closest("[data-conversation]");
    if (row) go(row, { quietly: true });
  });

  // Going back to the queue selects the row of the last conversation, or else the same row. The browser stores only the
  // address and the number of the row.
  const storePlace = () => {
    if (!("signedOut" in document.documentElement.dataset)) sessionStorage.setItem("queue", JSON.stringify([address, rows().indexOf(current)]));
  };
  addEventListener("pagehide", storePlace);
  const placeToReturnTo = () => {
    const last = performance.getEntriesByType("navigation")[0]?.type === "navigate" && document.referrer.match(/\/conversations\/([\w-]+)\//)?.[1];
    const [storedAddress, index] = JSON.parse(sessionStorage.getItem("queue") || "[]");
    const same = storedAddress === address && index >= 0 ? Math.min(index, rows().length - 1) : -1;
    return rows().find(row => row.dataset.conversation === last) || rows()[same];
  };
  const place = !document.querySelector("#error-summary") && placeToReturnTo();
  if (place) go(place);

  // Selected rows

  function showCount() {
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
    const target = event.target;
    if (target.name !== "conversation") return;
    const list = boxes(), to = list.indexOf(target), from = list.indexOf(lastClicked);
    if (event.shiftKey && from >= 0) for (const each of list.slice(Math.min(to, from), Math.max(to, from) + 1)) each.checked = target.checked;
    lastClicked = target;
    showCount();
  });
  all?.addEventListener("click", () => {
    for (const each of boxes()) each.checked = all.checked;
    showCount();
  });
  if (all) all.closest("label").hidden = false;
  addEventListener("pageshow", showCount);

  // If nothing is selected, the form applies to the current row.
  form.addEventListener("submit", event => {
    if (boxes().some(each => each.checked)) return;
    if (current) {
      box(current).checked = true;
      showCount();
    } else {
      event.preventDefault();
      event.stopImmediatePropagation();
      say(form.dataset.none);
    }
  }, true);

  // Keyboard shortcuts. Those of buttons are in desk.js (data-key).

  document.addEventListener("keydown", event => {
    const target = event.target;
    if (event.isComposing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target === search && event.key === "Escape") return search.blur();
    if (document.body.dataset.keys === "off" && event.key.length === 1) return;
    if (target.matches("input:not([type=checkbox]), select, textarea") || target.closest(".menu[open]")) return;
    if (event.key === "j" || event.key === "ArrowDown") step(1);
    else if (event.key === "k" || event.key === "ArrowUp") step(-1);
    else if (event.key === "o" && current) link(current).click();
    else if (event.key === "x" && current) box(current).click();
    else if (event.key === "/") { search.focus(); search.select(); }
    else if (event.key === "Escape" && boxes().some(each => each.checked)) {
      for (const each of boxes()) each.checked = false;
      showCount();
    } else return;
    event.preventDefault();
  });

  // Empty filters are left out of the URL.
  search.form.addEventListener("formdata", event => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });

  // Updates never move the rows. A changed row is replaced in place, unless it is selected. A row that is no longer in the
  // list says so. New rows are shown when staff click the button.
  document.addEventListener("htmx:afterSwap", () => {
    const news = document.querySelector("#queue-news template");
    if (!news) return;
    const fresh = new Map([...news.content.querySelectorAll("[data-conversation]")].map(row => [row.dataset.conversation, row]));
    for (const row of rows()) row.style.blockSize = `${row.getBoundingClientRect().height}px`;  // so that the rows below stay
    for (const row of rows()) {
      const update = fresh.get(row.dataset.conversation);
      if (update && box(update).value === box(row).value) {
        row.querySelector(".wait").replaceWith(update.querySelector(".wait"));
        // The conversation has not changed, but the staff member may have begun or sent a draft in another tab.
        row.querySelector(".draft")?.remove();
        row.querySelector(".grow").prepend(...update.querySelectorAll(".draft"));
        row.classList.toggle("overdue", update.classList.contains("overdue"));
      } else if (update && !box(row).checked) {
        const focused = row.contains(document.activeElement) && (document.activeElement === box(row) ? box : link);
        row.className = `${update.className}${row === current ? " current" : ""}`;
        row.replaceChildren(...update.childNodes);
        if (focused) focused(row).focus();
      } else {
        mark(row, update ? form.dataset.changed : form.dataset.gone);
        row.classList.toggle("gone", !update);
      }
    }
    news.remove();
  });

  // The text replaces the waiting time, so that the row keeps its height.
  function mark(row, words) {
    const line = row.querySelector(".wait");
    line.classList.add("changed");
    line.textContent = words;
  }

  showCount();
})();
