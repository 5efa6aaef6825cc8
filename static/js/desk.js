// Keyboard shortcuts and small helpers of the desk. Each page works without this file.
(() => {
  for (const part of document.querySelectorAll("[data-print], [data-copy]")) part.hidden = false;

  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const isField = element => element.matches("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");
  const foundItems = () => [...document.querySelectorAll("#found .found-item")];

  // On a narrow screen, the menu scrolls. It begins at the entry of this page.
  const here = document.querySelector(".desk-tabs > [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - 48;

  // Staff can turn off single-letter shortcuts. The browser stores only this choice.
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

  // The title of the tab begins with the number of conversations that need an answer, even while the tab is in the
  // background. After a sign-out, the server redirects, and the page stops asking.
  const showWaiting = async () => {
    const response = await fetch(document.body.dataset.waiting, { redirect: "manual" }).catch(() => null);
    if (response?.type === "opaqueredirect" || response?.status === 404) return clearInterval(everyMinute);
    if (!response?.ok) return;
    const count = await response.text(), title = document.title.replace(/^\(\d+\) /, "");
    document.title = count === "0" ? title : `(${count}) ${title}`;
  };
  // The title of a page with errors begins with "Error:".
  const everyMinute = document.getElementById("error-summary") ? 0 : setInterval(showWaiting, 60000);
  if (everyMinute) setTimeout(showWaiting, 2000);

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

  // Opening the item search or the answer moves the focus there immediately. Otherwise the next letters would be taken
  // for shortcuts.
  document.addEventListener("click", event => {
    const part = event.target.closest(".recommend > summary")?.parentElement, search = document.getElementById("q");
    if (part && search && !part.open) {
      event.preventDefault();
      part.open = true;
      search.focus();
    }
    if (event.target.closest("a[href='#id_body']")) {
      // The browser would scroll to the end of the conversation, but the answer is in view already.
      event.preventDefault();
      const answer = document.getElementById("id_body");
      answer.focus();
      answer.setSelectionRange(answer.value.length, answer.value.length);
    }
  });

  // If a field already contains text when the page opens, put the caret after the text.
  for (const field of document.querySelectorAll("textarea[autofocus], #id_body")) field.setSelectionRange(field.value.length, field.value.length);

  // While the next page loads, keys have no effect. Otherwise a key that is meant for the next conversation would change
  // this one. If the next page doesn't load, keys work again after five seconds.
  let leftAt = -Infinity;
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.origin !== location.origin) return;
    if (link.pathname + link.search !== location.pathname + location.search || !link.hash) leftAt = performance.now();
  });
  addEventListener("pageshow", () => { leftAt = -Infinity; });

  document.addEventListener("keydown", event => {
    if (event.isComposing) return;
    const target = event.target;
    if (performance.now() - leftAt < 5000 && !isField(target)) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const main = (target.closest("[data-form]") || document.querySelector("[data-form]"))?.querySelector("[data-main]");
      if (main) { event.preventDefault(); main.click(); }
      return;
    }
    // Alt and a digit send an answer, even while it is being typed. On a Mac, Option and a digit type a special
    // character, so check which key was pressed and not which character it typed.
    if (event.altKey && !event.ctrlKey && !event.metaKey && /^Digit\d$/.test(event.code)) {
      const send = (target.closest("[data-form]") || document.querySelector("[data-form]"))?.querySelector(`[aria-keyshortcuts="Alt+${event.code.at(-1)}"]`);
      if (send) { event.preventDefault(); if (!event.repeat) send.click(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("[data-find]")) return onSearchKey(event, target);
    if (target.matches(".found-item")) return onFoundKey(event, target);
    if (event.key === "Enter" && target.matches("[data-form] input:not([type=checkbox])")) {
      event.preventDefault();  // Enter in a text field must not send the form
      if (target.matches("[data-reason]")) fieldAfter(target)?.focus();
      else if (target === who && !who.value.trim()) topicOf(who).focus();
      else if (target === who) lookUp(), focusConsent();
      else if (target.closest(".by-hand")) addByHand();
      return;
    }
    // In an open menu, letters are not shortcuts. Otherwise a mistyped letter could close the conversation.
    if (isField(target) || target.closest(":is(.handling > details, .menu, .chip)[open]") || document.body.dataset.keys === "off") return;
    if (event.key === "?") {
      if (keys) { keys.open = !keys.open; keys.classList.toggle("over", keys.open); }
      return;
    }
    if (event.key === "Escape" && document.querySelector(".keys.over[open]")) return closeKeys();
    const control = event.key.length === 1 && document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (control && !event.repeat) { event.preventDefault(); control.click(); }
  });

  // A notice that an action succeeded disappears when the person types again, unless the notice has a button.
  document.addEventListener("input", event => {
    const top = event.target.getBoundingClientRect().top;
    for (const notice of document.querySelectorAll("#notices > .notice:not(.error, :has(button))")) notice.remove();
    scrollBy({ top: event.target.getBoundingClientRect().top - top, behavior: "instant" });
  });

  // If the page has several undo buttons, the z key presses only the one for the latest change. data-done-at is the time of
  // a change, in seconds.
  let lastDone = 0;
  const giveKeyToLatestUndo = () => {
    const buttons = [...document.querySelectorAll("[data-done-at]")];
    lastDone = Math.max(lastDone, ...buttons.map(button => +button.dataset.doneAt));
    const latest = buttons.findLast(button => +button.dataset.doneAt === lastDone);
    for (const button of buttons) {
      if (button === latest || !button.dataset.key) continue;
      button.removeAttribute("data-key");
      button.removeAttribute("aria-keyshortcuts");
      button.querySelector("kbd")?.remove();
    }
  };
  giveKeyToLatestUndo();
  new MutationObserver(giveKeyToLatestUndo).observe(document.body, { childList: true, subtree: true });

  // The list shows only the shortcuts that work on the page now. data-needs is a selector of what a shortcut needs.
  const keys = document.getElementById("keys");
  const showWorkingKeys = () => {
    for (const line of keys.querySelectorAll("[data-needs]")) line.hidden = !document.querySelector(line.dataset.needs);
  };
  if (keys) {
    showWorkingKeys();
    new MutationObserver(showWorkingKeys).observe(keys, { attributeFilter: ["open"] });
  }

  const closeKeys = () => {
    if (!keys?.matches(".over")) return;
    keys.open = false;
    keys.classList.remove("over");
  };
  document.addEventListener("click", event => { if (!event.target.closest(".keys")) closeKeys(); });

  // Enter searches. When the results are shown, Enter picks the first item of the catalog. It never picks the button
  // that adds the words as an item, because staff often press Enter once too often. In an empty search field, Enter
  // moves to the field “For”, and from there to the topic.
  const topicOf = field => document.getElementById(field.form.dataset.after);
  function onSearchKey(event, field) {
    if (event.key === "ArrowDown" && foundItems().length) {
      event.preventDefault();
      foundItems()[0].focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const searched = document.querySelector("#found [data-query]")?.dataset.query;
      if (!field.value.trim()) (field.form.querySelector("[name=for_whom]:enabled") || topicOf(field))?.focus();
      else if (searched === field.value.trim()) foundItems().find(item => item.id !== "by-hand")?.click();
      else htmx.trigger(field, "find-now");
    } else if (event.key === "Escape") {
      document.getElementById("found").replaceChildren();
    }
  }

  // Returns the field that follows the reason of an item. After an item that staff typed by hand, it is the title of the
  // next such item. After an item from the catalog, it is the search field.
  const fieldAfter = reason => reason.dataset.reason && document.querySelector(".by-hand[open] [name=new-title]") || document.getElementById("q");
  function addByHand() {
    const title = document.getElementById("id_new-title");
    if (title.value.trim()) document.getElementById("add-item").click();
    else title.focus();
  }

  // A form with data-unsaved has no draft. The link Back asks before it leaves the changed form.
  const unsaved = document.querySelector("form[data-unsaved]");
  if (unsaved) {
    const change = event => { if (event.target.matches("[hx-post], :is(input, select, textarea):not(#q)")) unsaved.dataset.changed = ""; };
    for (const name of ["input", "htmx:beforeRequest"]) unsaved.addEventListener(name, change);
    document.getElementById("back").addEventListener("click", event => {
      if ("changed" in unsaved.dataset && !confirm(unsaved.dataset.unsaved)) event.preventDefault();
    });
  }

  // Some browsers send the form when Enter is pressed in a select.
  document.addEventListener("submit", event => {
    if (event.target.matches("[data-form]") && event.submitter?.tabIndex === -1) event.preventDefault();
  });

  function onFoundKey(event, button) {
    const all = foundItems(), index = all.indexOf(button);
    if (event.key === "ArrowDown") (all[index + 1] || button).focus();
    else if (event.key === "ArrowUp") (all[index - 1] || document.getElementById("q")).focus();
    else if (event.key === "Escape") document.getElementById("q").focus();
    else return;
    event.preventDefault();
  }

  // One line beside the button says how the help session will be counted, for example "phone · reference · 10:00".
  const counted = document.getElementById("counted");
  const countedValue = field => {
    const text = (field.selectedOptions ? field.value && field.selectedOptions[0].text : field.value).trim();
    if (field.type === "date") return text && new Date(`${text}T12:00`).toLocaleDateString(document.documentElement.lang, { month: "long", day: "numeric" });
    // The options of the READ level begin with their number. A number says nothing without its label.
    const number = text.match(/^\d+(?= – |$)/)?.[0];
    return number ? `${document.querySelector(`label[for=${field.id}]`).firstChild.textContent.trim()}: ${number}` : text;
  };
  const showCounted = () => {
    const fields = [...counted.closest("form").querySelectorAll(".details select, .details input")];
    counted.querySelector("bdi").textContent = fields.map(countedValue).filter(Boolean).join(" · ");
  };
  if (counted) {
    counted.hidden = false;
    showCounted();
    for (const type of ["input", "change"]) counted.closest("form").addEventListener(type, showCounted);
  }

  // The page chose the service point for this computer and today. If staff change the day or the branch, they choose it again.
  const defaultPoint = document.getElementById("id_default_point");
  if (defaultPoint) for (const name of ["happened_on", "branch"]) {
    defaultPoint.form.elements[name]?.addEventListener("change", () => {
      const point = defaultPoint.form.elements.service_point;
      if (!defaultPoint.value || point?.value !== defaultPoint.value.split(" ")[0]) return;
      point.value = defaultPoint.value = "";
      point.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  // The title of the patron's page, as HelpSession.title makes it.
  const preview = document.getElementById("title-preview");
  const dayInWords = day => {
    const part = (options) => new Date(`${day}T12:00`).toLocaleDateString(document.documentElement.lang, options);
    const parts = { l: { weekday: "long" }, F: { month: "long" }, j: { day: "numeric" } };
    return preview.dataset.day.replace(/\\(.)|[lFj]/g, (code, literal) => literal || part(parts[code]));
  };
  const showTitle = () => {
    const fields = preview.closest("form").elements;
    const question = [...fields.question.value.trim().replace(/\s+/g, " ")], most = Number(preview.dataset.most);
    const is = { quiet: fields.quiet.checked, empty: !fields.quiet.checked && !question.length };
    is.long = !is.quiet && question.length > most;
    preview.hidden = !fields.happened_on.value && (is.quiet || is.empty);
    preview.querySelector(".as-title").textContent = is.quiet || is.empty
      ? preview.dataset.untitled.replace("{}", dayInWords(fields.happened_on.value))
      : is.long ? `${question.slice(0, most - 1).join("")}…` : question.join("");
    for (const note of preview.querySelectorAll("[data-if]")) note.hidden = !is[note.dataset.if];
  };
  if (preview) {
    showTitle();
    for (const type of ["input", "change"]) preview.closest("form").addEventListener(type, showTitle);
  }

  // The result of these search fields appears below the field. If the bar with the main buttons covers the result, the
  // page scrolls. The field itself stays in view.
  const bar = document.querySelector(".save-bar");
  const finders = { found: "q", recipient: "id_for_whom" };
  document.addEventListener("htmx:afterSettle", event => {
    const field = bar && document.getElementById(finders[event.target.id]);
    if (!field) return;
    const end = getComputedStyle(bar).position === "sticky" ? bar.getBoundingClientRect().top : innerHeight;
    const covered = event.target.getBoundingClientRect().bottom + 8 - end;
    const room = field.getBoundingClientRect().top - 8;
    if (covered > 0 && room > 0) scrollBy({ top: Math.min(covered, room), behavior: "instant" });
  });

  // The field “For” finds the patron when staff leave it, press Enter as a card scanner does, or pause after a whole
  // number or address. After Enter, the focus moves to the consent.
  let paused, isPause;
  const who = document.querySelector("[data-look-up]");
  const { quiet, with_child: withChild, language } = who ? who.form.elements : {};
  const asked = () => `${who.value.trim()} ${withChild.checked}`;
  const lookUp = pause => {
    clearTimeout(paused);  // after Enter, a lookup that starts at a pause would keep the focus from moving to the consent
    isPause = pause;
    if (who.disabled || who.dataset.asked === asked()) return;
    who.dataset.asked = asked();
    htmx.trigger(who, "look-up");
  };
  const focusConsent = () => document.activeElement === who && document.getElementById("id_agreed")?.focus();
  if (who) {
    who.dataset.asked = asked();
    const disable = () => { who.disabled = quiet.checked; };
    disable();
    quiet.addEventListener("change", disable);
    for (const field of [who, withChild]) field.addEventListener("change", () => lookUp());
    who.addEventListener("input", () => {
      clearTimeout(paused);
      if (/@\S+\.\S\S|^[\d\s-]{6,}$/.test(who.value)) paused = setTimeout(lookUp, 1200, true);
    });
    for (const type of ["htmx:sendError", "htmx:responseError"]) who.addEventListener(type, () => { who.dataset.asked = ""; });
    document.getElementById("recipient").addEventListener("htmx:afterSettle", () => { if (!isPause) focusConsent(); });

    // The patron's language becomes the default, unless staff chose a language before or during the lookup.
    let isLanguageChosen = false;
    const followLanguage = () => {
      const ours = who.form.elements.default_language;
      if (isLanguageChosen) ours.value = "";
      if (!ours.value || language.value === ours.value) return;
      language.value = ours.value;
      language.dispatchEvent(new Event("input", { bubbles: true }));
    };
    language.addEventListener("change", () => { isLanguageChosen = true; followLanguage(); });
    document.getElementById("recipient").addEventListener("htmx:afterSwap", followLanguage);
  }

  // Saves an unfinished form before lock.js locks this computer.
  const SAVED_FORM = "form:has(#autosave)";
  let changed = false;
  for (const type of ["input", "change"]) document.addEventListener(type, event => { if (event.target.closest(SAVED_FORM)) changed = true; });
  document.addEventListener("htmx:beforeRequest", event => { if (event.detail.elt.id === "autosave") changed = false; });
  document.addEventListener("leaving", event => {
    if (!changed) return;
    event.detail.push(new Promise(done => {
      document.addEventListener("htmx:afterRequest", request => { if (request.detail.elt.id === "autosave" && !changed) done(); });
      htmx.trigger(SAVED_FORM, "items-changed");
    }));
  });

  // A response from another URL is the sign-in page. It must not replace what was typed.
  const keepPage = event => {
    const notice = document.getElementById("signed-out");
    if (!notice) return;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
    event.detail.shouldSwap = false;
  };
  document.addEventListener("htmx:beforeSwap", event => {
    const { xhr, requestConfig } = event.detail;
    const path = new URL(requestConfig.path, location).pathname;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== path) keepPage(event);
  });
  document.addEventListener("htmx:responseError", keepPage);
  document.addEventListener("htmx:sendError", keepPage);
  document.addEventListener("htmx:afterRequest", event => {
    const notice = document.getElementById("signed-out");
    const { xhr, requestConfig } = event.detail;
    if (notice && event.detail.successful && new URL(xhr.responseURL).pathname === new URL(requestConfig.path, location).pathname) notice.hidden = true;
  });
})();
