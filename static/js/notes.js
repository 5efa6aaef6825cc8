// Suggests the names of colleagues after an @ in a note. Without this file, staff type the whole name.
(() => {
  const form = document.getElementById("note-form"), field = document.getElementById("note-body"), list = document.getElementById("note-names");
  const MENTION = /(?:^|[^\w@.])@([^\s@][^@\n]{0,40})?$/u;

  const mention = () => field.value.slice(0, field.selectionStart).match(MENTION);
  let names;
  const suggest = async () => {
    if (!mention()) return list.replaceChildren();
    if (!names) {
      names = fetch(form.dataset.names, { credentials: "same-origin" }).then(response => (response.ok && !response.redirected ? response.text() : ""));
      names.catch(() => { names = undefined; });
    }
    const html = await names.catch(() => "");
    const now = mention();
    if (!now) return list.replaceChildren();
    list.innerHTML = html;
    const typed = (now[1] || "").toLocaleLowerCase();
    for (const button of list.querySelectorAll("[data-name]")) button.hidden = !button.dataset.name.toLocaleLowerCase().startsWith(typed);
    suggestions()[0]?.classList.add("first");
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
  const suggestions = () => [...list.querySelectorAll("[data-name]:not([hidden])")];

  if (form) {
    field.addEventListener("input", event => { if (event.isTrusted) suggest(); });
    list.addEventListener("click", event => { const button = event.target.closest("[data-name]"); if (button) pick(button.dataset.name); });
    form.addEventListener("keydown", event => {
      if (event.key === "Escape" && list.firstChild) { list.replaceChildren(); field.focus(); event.stopPropagation(); }
      const first = event.target === field && mention()?.[1] && suggestions()[0]?.dataset.name;
      if (event.key === "Enter" && first && !event.isComposing && !event.ctrlKey && !event.metaKey && !event.shiftKey && !field.value.slice(0, field.selectionStart).endsWith(`@${first}`)) {
        event.preventDefault();
        pick(first);
      }
      if (event.key === "ArrowDown" && event.target === field && suggestions().length) { event.preventDefault(); suggestions()[0].focus(); }
    });
    const box = document.getElementById("write-note");
    box.querySelector("summary").addEventListener("click", event => {
      // A click closes an open note. The keyboard shortcut never does.
      if (box.open && event.isTrusted) return;
      event.preventDefault();
      // Open the note in this event, so that the person can type into it immediately.
      box.open = true;
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    });
  }
})();
