// Answers that are often given: a `/` that begins a word of an answer lists them, and so does the button. Without this file
// the button asks the server, and the page comes back with the list in it.
(() => {
  // As the server looks for them: without accents, in one case.
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const picker = () => document.getElementById("template-picker");
  const list = () => document.getElementById("template-list");
  const area = () => picker()?.closest("form").querySelector("textarea[name=body]");
  const shown = () => [...list().querySelectorAll("[data-text]:not([hidden])")];
  const fetched = new Map();  // address: what it answered, as long as the page is open
  let how = "", left = -1, at = 0;  // "typed" or "button"; where a `/` stands that was left as it is; which one Enter takes

  let been;  // the field in which a caret has been placed; elsewhere a text goes to the end
  document.addEventListener("focusin", event => { if (event.target === area()) been = event.target; });

  // The `/` before the caret and what was typed after it, or nothing.
  const typed = field => {
    if (field.selectionStart !== field.selectionEnd) return null;
    const found = /(?:^|\s)\/(|[^\s/][^\n/]{0,40})$/.exec(field.value.slice(0, field.selectionStart));
    return found && { start: field.selectionStart - found[1].length - 1, words: found[1] };
  };

  async function read(address) {
    if (!fetched.has(address)) {
      const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      fetched.set(address, await answer.text());
    }
    return fetched.get(address);
  }

  async function open(by) {
    const part = picker(), first = how !== by;
    how = by;
    if (!list().querySelector("[data-text], p")) {
      try {
        const found = await read(part.dataset.templates);
        if (part !== picker() || how !== by) return;
        list().innerHTML = found;
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
    if (!how || !first) return;
    list().scrollIntoView({ block: "nearest" });
    if (by === "typed") say(part.dataset.keys);
  }

  function filter() {
    const field = area(), words = how === "typed" ? typed(field)?.words : document.getElementById("template-words").value;
    if (words === undefined) return close();
    const wanted = plain(words).split(/\s+/);
    for (const each of list().querySelectorAll("[data-text]")) {
      const text = plain(`${each.firstElementChild.textContent} ${each.dataset.text}`);
      each.hidden = !wanted.every(word => text.includes(word));
    }
    if (how === "typed" && !shown().length) return close();
    list().hidden = false;
    choose(0);
  }

  // While one types the words stay in the answer, and the list is told beside them.
  function choose(number) {
    const all = shown(), field = area();
    at = Math.max(0, Math.min(number, all.length - 1));
    const typing = how === "typed";
    typing ? list().setAttribute("role", "listbox") : list().removeAttribute("role");
    for (const each of list().querySelectorAll("[data-text]")) {
      for (const [name, value] of Object.entries({ role: "option", tabindex: "-1", "aria-selected": String(each === all[at]) })) {
        typing ? each.setAttribute(name, value) : each.removeAttribute(name);
      }
    }
    if (!typing || !all.length) return field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-activedescendant", all[at].id);
    field.setAttribute("aria-controls", "template-list");
    all[at].scrollIntoView({ block: "nearest" });
  }

  function close() {
    how = "";
    if (!picker()) return;
    list().hidden = document.getElementById("template-filter").hidden = true;
    document.getElementById("templates").removeAttribute("aria-expanded");
    for (const name of ["aria-activedescendant", "aria-controls"]) area().removeAttribute(name);
  }

  // Never sent by itself: the text stands in the answer, the caret behind it.
  function insert(button) {
    const field = area(), slash = how === "typed" ? typed(field) : null;
    const end = been === field ? field.selectionEnd : field.value.length;
    const start = slash ? slash.start : been === field ? field.selectionStart : end;
    const before = field.value.slice(0, start), rest = before + field.value.slice(end);
    const text = (!slash && /\S$/.test(before) ? "\n" : "") + button.dataset.text;
    const language = field.form.elements.language;
    if (!rest.trim() && [...(language?.options || [])].some(option => option.value === button.lang)) language.value = button.lang;
    const words = picker().dataset.done;
    close();
    field.focus();
    field.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) {  // which leaves Ctrl+Z as it should be, where there is one
      field.setRangeText(text, start, end, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    say(words);
  }

  document.addEventListener("input", event => {
    if (!picker()) return;
    if (event.target.id === "template-words") return filter();
    if (event.target !== area()) return;
    const slash = typed(event.target);
    if (!slash) { left = -1; if (how === "typed") close(); return; }
    if (slash.start !== left) open("typed");
  });

  document.addEventListener("keydown", event => {
    if (!how || !picker() || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const inAnswer = how === "typed" && event.target === area();
    if (!inAnswer && !event.target.closest("#template-picker")) return;
    const all = shown();
    if (event.key === "Escape") {
      if (inAnswer) left = typed(event.target)?.start ?? -1;
      close();
      if (!inAnswer) document.getElementById("templates").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (inAnswer) choose((at + step + all.length) % all.length);
      else (all[all.indexOf(event.target) + step] || document.getElementById("template-words")).focus();
    } else if (event.key === "Enter" && !event.shiftKey && (inAnswer || event.target.id === "template-words")) {
      if (list().hidden || !all.length) return;
      insert(all[at] || all[0]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("mousedown", event => {
    if (how === "typed" && event.target.closest("#template-list")) event.preventDefault();  // the caret stays where it is
  });
  document.addEventListener("click", event => {
    const button = event.target.closest("#templates, #template-list [data-text]");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    if (button.id !== "templates") return insert(button);
    if (how === "button") return close();
    const byKey = !event.isTrusted;  // what is typed next is meant for the list
    open("button").then(() => { if (byKey && how === "button") (document.getElementById("template-filter").hidden ? shown()[0] : document.getElementById("template-words"))?.focus(); });
  }, true);
  document.addEventListener("focusout", event => {
    if (how === "typed" && event.target === area() && !event.relatedTarget?.closest("#template-picker")) close();
  });
})();
