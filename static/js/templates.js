// List the reply templates when a staff member types `/` at the beginning of a word in an answer, or presses the button.
// Without this file, the button loads the page again with the list in it.
(() => {
  // As on the server, the search ignores accents and case.
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const picker = () => document.getElementById("template-picker");
  const list = () => document.getElementById("template-list");
  const area = () => picker()?.closest("form").querySelector("textarea[name=body]");
  const matches = () => [...list().querySelectorAll("[data-text]:not([hidden])")];
  const fetched = new Map();  // {URL: its response}, for as long as the page is open
  let openedBy = "";  // "typed" or "button", or "" if the list is closed
  let dismissedAt = -1;  // the position of the `/` whose list the person closed
  let selected = 0;  // the index of the template that Enter inserts
  let focusedField;  // the field that had the focus, so that its caret is known; otherwise the text goes to the end

  document.addEventListener("focusin", event => { if (event.target === area()) focusedField = event.target; });

  // Returns the position of the `/` before the caret and the text after it, or null.
  const slashCommand = field => {
    if (field.selectionStart !== field.selectionEnd) return null;
    const match = /(?:^|\s)\/(|[^\s/][^\n/]{0,40})$/.exec(field.value.slice(0, field.selectionStart));
    return match && { start: field.selectionStart - match[1].length - 1, words: match[1] };
  };

  async function load(url) {
    if (!fetched.has(url)) {
      const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
      if (!response.ok || response.redirected) throw new Error(response.status);
      fetched.set(url, await response.text());
    }
    return fetched.get(url);
  }

  async function open(by) {
    const part = picker(), isOpening = openedBy !== by;
    openedBy = by;
    if (!list().querySelector("[data-text], p")) {
      try {
        const html = await load(part.dataset.templates);
        if (part !== picker() || openedBy !== by) return;
        list().innerHTML = html;
      } catch {
        close();
        const notice = document.getElementById("signed-out");
        if (notice) notice.hidden = false;
        say(part.dataset.failed);
        return;
      }
    }
    const many = list().querySelectorAll("[data-text]").length > 5;
    document.getElementById("template-filter").hidden = by !== "button" || !many;
    document.getElementById("templates").setAttribute("aria-expanded", by === "button");
    filter();
    if (!openedBy || !isOpening) return;
    list().scrollIntoView({ block: "nearest" });
    if (by === "typed") say(part.dataset.keys);
  }

  function filter() {
    const field = area(), words = openedBy === "typed" ? slashCommand(field)?.words : document.getElementById("template-words").value;
    if (words === undefined) return close();
    const wanted = plain(words).split(/\s+/);
    for (const each of list().querySelectorAll("[data-text]")) {
      const text = plain(`${each.firstElementChild.textContent} ${each.dataset.text}`);
      each.hidden = !wanted.every(word => text.includes(word));
    }
    if (openedBy === "typed" && !matches().length) return close();
    list().hidden = false;
    select(0);
  }

  // While the person types, the focus stays in the answer, and aria-activedescendant names the selected template.
  function select(number) {
    const all = matches(), field = area();
    selected = Math.max(0, Math.min(number, all.length - 1));
    const typing = openedBy === "typed";
    typing ? list().setAttribute("role", "listbox") : list().removeAttribute("role");
    for (const each of list().querySelectorAll("[data-text]")) {
      for (const [name, value] of Object.entries({ role: "option", tabindex: "-1", "aria-selected": String(each === all[selected]) })) {
        typing ? each.setAttribute(name, value) : each.removeAttribute(name);
      }
    }
    if (!typing || !all.length) return field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-activedescendant", all[selected].id);
    field.setAttribute("aria-controls", "template-list");
    all[selected].scrollIntoView({ block: "nearest" });
  }

  function close() {
    openedBy = "";
    if (!picker()) return;
    list().hidden = document.getElementById("template-filter").hidden = true;
    document.getElementById("templates").removeAttribute("aria-expanded");
    for (const name of ["aria-activedescendant", "aria-controls"]) area().removeAttribute(name);
  }

  // Inserts the text into the answer and puts the caret after it. It is never sent automatically.
  function insert(button) {
    const field = area(), slash = openedBy === "typed" ? slashCommand(field) : null;
    const end = focusedField === field ? field.selectionEnd : field.value.length;
    const start = slash ? slash.start : focusedField === field ? field.selectionStart : end;
    const before = field.value.slice(0, start), rest = before + field.value.slice(end);
    const text = (!slash && /\S$/.test(before) ? "\n" : "") + button.dataset.text;
    const language = field.form.elements.language;
    if (!rest.trim() && [...(language?.options || [])].some(option => option.value === button.lang)) language.value = button.lang;
    const words = picker().dataset.done;
    close();
    field.focus();
    field.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) {  // execCommand keeps Ctrl+Z working, but not every browser has it
      field.setRangeText(text, start, end, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    say(words);
  }

  document.addEventListener("input", event => {
    if (!picker()) return;
    if (event.target.id === "template-words") return filter();
    if (event.target !== area()) return;
    const slash = slashCommand(event.target);
    if (!slash) { dismissedAt = -1; if (openedBy === "typed") close(); return; }
    if (slash.start !== dismissedAt) open("typed");
  });

  document.addEventListener("keydown", event => {
    if (!openedBy || !picker() || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const inAnswer = openedBy === "typed" && event.target === area();
    if (!inAnswer && !event.target.closest("#template-picker")) return;
    const all = matches();
    if (event.key === "Escape") {
      if (inAnswer) dismissedAt = slashCommand(event.target)?.start ?? -1;
      close();
      if (!inAnswer) document.getElementById("templates").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (inAnswer) select((selected + step + all.length) % all.length);
      else (all[all.indexOf(event.target) + step] || document.getElementById("template-words")).focus();
    } else if (event.key === "Enter" && !event.shiftKey && (inAnswer || event.target.id === "template-words")) {
      if (list().hidden || !all.length) return;
      insert(all[selected] || all[0]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("mousedown", event => {
    if (openedBy === "typed" && event.target.closest("#template-list")) event.preventDefault();  // so that the answer keeps the focus
  });
  document.addEventListener("click", event => {
    const button = event.target.closest("#templates, #template-list [data-text]");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    if (button.id !== "templates") return insert(button);
    if (openedBy === "button") return close();
    // After the keyboard shortcut, the next letters are meant for the list.
    const byKey = !event.isTrusted;
    open("button").then(() => { if (byKey && openedBy === "button") (document.getElementById("template-filter").hidden ? matches()[0] : document.getElementById("template-words"))?.focus(); });
  }, true);
  document.addEventListener("focusout", event => {
    if (openedBy === "typed" && event.target === area() && !event.relatedTarget?.closest("#template-picker")) close();
  });
})();
