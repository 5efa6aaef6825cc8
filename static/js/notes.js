// Writing a note: an @ offers the colleagues' names, and the bar's panels close when one goes on. Typed in full it works without.
(() => {
  const form = document.getElementById("note-form"), field = document.getElementById("note-body"), list = document.getElementById("note-names");
  const BEGUN = /(?:^|[^\w@.])@([^\s@][^@\n]{0,40})?$/u;

  const begun = () => field.value.slice(0, field.selectionStart).match(BEGUN);
  let asked;
  const offer = async () => {
    const found = begun();
    if (!found) return list.replaceChildren();
    if (!asked) {
      asked = fetch(form.dataset.names, { credentials: "same-origin" }).then(answer => (answer.ok && !answer.redirected ? answer.text() : ""));
      asked.catch(() => { asked = undefined; });
    }
    const html = await asked.catch(() => "");
    const now = begun();
    if (!now) return list.replaceChildren();
    list.innerHTML = html;
    const typed = (now[1] || "").toLocaleLowerCase();
    for (const button of list.querySelectorAll("[data-name]")) button.hidden = !button.dataset.name.toLocaleLowerCase().startsWith(typed);
    offered()[0]?.classList.add("first");
    if (typed && ![...list.querySelectorAll("[data-name]")].some(button => !button.hidden)) list.replaceChildren();
  };
  const pick = name => {
    const before = field.value.slice(0, field.selectionStart), after = field.value.slice(field.selectionStart);
    const at = before.lastIndexOf("@");
    field.setRangeText(`@${name} `, at, before.length, "end");
    if (after.startsWith(" ")) field.setRangeText("", field.selectionStart, field.selectionStart + 1, "end");
    list.replaceChildren();
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const offered = () => [...list.querySelectorAll("[data-name]:not([hidden])")];

  if (form) {
    field.addEventListener("input", event => { if (event.isTrusted) offer(); });
    list.addEventListener("click", event => { const button = event.target.closest("[data-name]"); if (button) pick(button.dataset.name); });
    form.addEventListener("keydown", event => {
      if (event.key === "Escape" && list.firstChild) { list.replaceChildren(); field.focus(); event.stopPropagation(); }
      const first = event.target === field && begun()?.[1] && offered()[0]?.dataset.name;
      if (event.key === "Enter" && first && !event.isComposing && !event.ctrlKey && !event.metaKey && !event.shiftKey && !field.value.slice(0, field.selectionStart).endsWith(`@${first}`)) {
        event.preventDefault();
        pick(first);
      }
      if (event.key === "ArrowDown" && event.target === field && offered().length) { event.preventDefault(); offered()[0].focus(); }
    });
    const box = document.getElementById("write-note");
    box.querySelector("summary").addEventListener("click", event => {
      if (box.open && event.isTrusted) return;  // its key goes to what is open already
      event.preventDefault();
      box.open = true;  // at once: what is typed next is the note's
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    });
  }

  // One panel of the bar at a time; going on elsewhere, or Escape, closes it.
  const open = () => document.querySelector(".handling > details[open]");
  for (const gone of ["click", "focusin"]) {
    document.addEventListener(gone, event => { const panel = open(); if (panel && !panel.contains(event.target)) panel.open = false; });
  }
  document.addEventListener("keydown", event => {
    const panel = open();
    if (event.key === "Escape" && panel) { panel.open = false; panel.querySelector("summary").focus(); }
  });
  for (const panel of document.querySelectorAll(".handling > details")) {
    panel.addEventListener("toggle", () => {
      if (panel.open) for (const other of document.querySelectorAll(".handling > details[open]")) if (other !== panel) other.open = false;
    });
  }
})();
