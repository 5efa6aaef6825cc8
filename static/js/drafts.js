// Saves drafts on the server, for each <form data-draft="/url/"> with the hidden inputs client_token and sequence (the
// number of the last saved draft, or 0). A draft is saved after a pause, and when the person leaves the field or page. The
// server refuses a number that is not the highest, so an old tab never replaces newer text. [data-draft-state] says whether
// the draft is saved, and [data-draft-newer] that there is newer text. With data-draft-local (only on a patron's own
// device), the browser stores a copy while the server can't be reached.
(() => {
  const PAUSE = 1500, RETRY = 15000;  // milliseconds
  const known = new WeakMap();  // form: {saved, trying, tried, timer, stopped, sent, maybeSent, over}
  let late = "";  // text typed after Send, before the response came

  const formOf = element => element?.closest?.("form[data-draft]");
  const draftForms = () => document.querySelectorAll("form[data-draft]");
  const fieldsOf = form => {
    const typed = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") typed.append(name, value);
    for (const name of ["csrfmiddlewaretoken", "client_token", "sequence"]) typed.delete(name);
    return typed;
  };
  const say = (form, what, html) => {
    const line = form.querySelector("[data-draft-state]");
    if (line && what) line.textContent = line.dataset[what] ?? line.dataset.failed ?? "";
    if (line && html) line.innerHTML = html;  // HTML from our own server
    if (line) line.style.visibility = what ? "" : "hidden";  // the line keeps its space, so nothing moves while the person types
    const notice = document.getElementById("signed-out");
    if (notice && what) notice.hidden = what === "kept";
  };

  // The copy of a draft in the browser's storage. Errors are ignored, because some browsers store nothing in a private
  // window. The key contains data-draft-local, which names the person. So nobody who uses the same browser sees the copy.
  const key = form => ["draft", form.dataset.draftLocal, form.dataset.draft].filter(Boolean).join(" ");
  const keepCopy = form => {
    if (!("draftLocal" in form.dataset) || "signedOut" in document.documentElement.dataset) return;
    const { body, sequence, client_token } = form.elements;
    // If the message was sent but no response came, the token lets the server say whether it arrived.
    const sent = known.get(form)?.sent === undefined ? undefined : client_token.value;
    try { localStorage.setItem(key(form), JSON.stringify({ body: body.value, sequence: +sequence.value, sent })); } catch {}
  };
  const dropCopy = form => { try { localStorage.removeItem(key(form)); } catch {} };
  const copyOf = form => {
    if (!("draftLocal" in form.dataset)) return null;
    try { return JSON.parse(localStorage.getItem(key(form))); } catch { return null; }
  };

  const start = form => {
    if (known.has(form)) return;
    const field = form.elements.body, copy = copyOf(form);
    // This file restores the text itself. The browser's own way would also restore an older number and token.
    form.autocomplete = "off";
    known.set(form, { saved: String(fieldsOf(form)), tried: 0 });
    if (copy?.sent && !field.value) {
      form.elements.client_token.value = copy.sent;
      known.get(form).maybeSent = copy.body;
    }
    // If the copy is older than the server's draft, put both texts into the field.
    if (copy && copy.body !== field.value) {
      field.value = copy.sequence >= form.elements.sequence.value ? copy.body : [field.value, copy.body].filter(Boolean).join("\n\n");
    }
    if (late) field.value = [field.value, late].filter(Boolean).join("\n\n");
    late = "";
    soon(form, 0);
  };

  const soon = (form, pause = PAUSE) => {
    const draft = known.get(form);
    clearTimeout(draft.timer);
    draft.timer = setTimeout(() => save(form), pause);
  };

  const save = async (form, leaving = false) => {
    const draft = known.get(form), typed = fieldsOf(form), text = String(typed);
    clearTimeout(draft.timer);
    if (draft.over || !form.isConnected || text === draft.saved || text === draft.trying) return;
    if (draft.stopped) return keepCopy(form);
    if (!leaving && (draft.trying !== undefined || draft.sent !== undefined)) return soon(form);
    const number = +form.elements.sequence.value + (draft.trying === undefined ? 1 : 2);  // higher than the number of a request that has no response yet
    draft.trying = text;
    draft.tried = number;
    typed.set("sequence", number);
    typed.set("client_token", form.elements.client_token.value);
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    try {
      draft.request = fetch(form.dataset.draft, { method: "POST", headers, body: typed, keepalive: leaving });
      const answer = await draft.request;
      const body = answer.ok || answer.headers.has("X-From-Portal") ? await answer.text() : "";  // never a proxy's page
      onResponse(form, draft, text, number, answer.status, body);
    } catch {
      onResponse(form, draft, text, number);
    }
  };

  const onResponse = (form, draft, text, number, status = 0, body = "") => {
    draft.trying = undefined;
    if (!form.isConnected) return;  // the message was sent during this request
    if (status === 204) {
      draft.saved = text;
      form.elements.sequence.value = number;
      dropCopy(form);
      say(form, form.elements.body.value && "kept");
    } else if (status === 409) {
      draft.stopped = true;
      draft.tried = 0;  // another tab saved newer text with this number, and sending this text must not delete it
      keepCopy(form);
      showNewer(form, body);
    } else if (status === 410) {
      if (draft.sent !== undefined) return;  // the message was sent from here
      // The message was sent from another tab. The text here is a new message, with the token in the response.
      draft.stopped = !body;
      draft.saved = undefined;
      form.elements.sequence.value = draft.tried = 0;
      if (body) form.elements.client_token.value = body;
      if (draft.maybeSent === form.elements.body.value) {  // the message has arrived
        form.elements.body.value = "";
        dropCopy(form);
      }
    } else {
      keepCopy(form);
      say(form, status === 401 ? "refused" : form.elements.body.value && "failed", status === 401 && body);
      return soon(form, RETRY);
    }
    if (String(fieldsOf(form)) !== draft.saved && !draft.stopped) soon(form);
  };

  const showNewer = (form, html) => {
    const place = form.querySelector("[data-draft-newer]");
    if (!place) return;
    place.innerHTML = html;  // HTML from our own server
    document.dispatchEvent(new CustomEvent("announce", { detail: { value: place.querySelector("p")?.textContent } }));
  };

  const leave = () => {
    for (const form of draftForms()) {
      if (!known.has(form)) continue;
      save(form, true);
      const { sent, trying } = known.get(form);
      if (sent !== undefined && trying !== undefined) keepCopy(form);  // perhaps neither request arrives
    }
  };

  document.addEventListener("input", event => {
    const form = formOf(event.target);
    if (!form) return;
    if (!known.has(form)) known.set(form, { tried: 0 });
    say(form, "");
    soon(form);
  });
  document.addEventListener("focusout", event => {
    const form = formOf(event.target);
    if (form && known.has(form)) save(form);
  });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") leave(); });
  addEventListener("pagehide", leave);
  // lock.js waits for these requests before it locks the computer.
  document.addEventListener("leaving", event => {
    for (const form of draftForms()) if (known.has(form)) event.detail.push(save(form, true), known.get(form).request);
  });
  addEventListener("online", () => { for (const form of draftForms()) if (known.has(form)) save(form); });

  document.addEventListener("click", event => {
    const button = event.target.closest?.("[data-draft-keep], [data-draft-show]"), form = formOf(button);
    if (!form) return;
    const draft = known.get(form), place = button.closest("[data-draft-newer]");
    if (button.hasAttribute("data-draft-keep")) {
      form.elements.sequence.value = place.querySelector("[data-sequence]").dataset.sequence;
      draft.stopped = false;
      place.replaceChildren();
      form.elements.body.focus();
      save(form);
    } else {
      draft.saved = String(fieldsOf(form));
      dropCopy(form);
      location.reload();
    }
  });

  // The form with this attribute deletes text that waited for the person to sign in. Delete the browser's copy of the text too.
  document.addEventListener("submit", event => {
    if (!event.target.matches("[data-discards-draft]")) return;
    for (const form of draftForms()) {
      if (known.has(form)) known.get(form).over = true;
      dropCopy(form);
    }
  });

  // waiting.js has stored the text, so the copy here is no longer needed.
  document.addEventListener("waits", event => {
    dropCopy(event.target);
    say(event.target, "");
    soon(event.target, 0);
  });

  // A sent message contains the highest number that was used, so that the server deletes all its drafts up to this number.
  document.addEventListener("submit", event => {
    const form = formOf(event.target), draft = form && known.get(form);
    if (!draft) return;
    clearTimeout(draft.timer);
    draft.sent = form.elements.body.value;
    form.elements.sequence.value = Math.max(form.elements.sequence.value, draft.tried);
  }, true);
  document.addEventListener("htmx:beforeSwap", event => {
    const form = formOf(event.detail.requestConfig?.elt), draft = form && known.get(form);
    if (!draft || draft.sent === undefined || !event.detail.shouldSwap || !event.detail.target.contains(form)) return;
    const now = form.elements.body.value;
    late = now === draft.sent ? "" : now.startsWith(draft.sent) ? now.slice(draft.sent.length).trim() : now;
    dropCopy(form);
    clearTimeout(draft.timer);
    draft.over = true;  // the removed form loses the focus, and must not be saved again
  });
  document.addEventListener("htmx:afterRequest", event => {
    const form = formOf(event.detail.requestConfig?.elt), draft = form && known.get(form);
    if (!draft || draft.sent === undefined) return;
    draft.sent = undefined;
    if (event.detail.xhr.status === 401) say(form, "");  // "Draft saved" beside the reason would sound as if the text could be sent later
    if (form.isConnected) { keepCopy(form); soon(form); }  // it was not sent
  });

  document.addEventListener("htmx:afterSettle", () => draftForms().forEach(start));
  document.addEventListener("htmx:oobAfterSwap", () => draftForms().forEach(start));
  addEventListener("pageshow", () => draftForms().forEach(start));
  draftForms().forEach(start);
})();
