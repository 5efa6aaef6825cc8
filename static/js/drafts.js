// Keeps what is being typed on the server: <form data-draft="/address/"> with hidden inputs client_token and sequence, the
// number of the last state that was kept (0: none). Saved after a pause, when the field is left and when the page is; a
// number that is not the highest is refused, so an older tab never writes over a newer text. Inside the form,
// [data-draft-state data-kept= data-failed=] says whether it is kept, [data-draft-newer] that there is a newer text.
// With data-draft-local, on a patron's own device only, a copy rests in this browser while the server can't be reached.
(() => {
  const PAUSE = 1500, AGAIN = 15000;
  const known = new WeakMap();  // form: {saved, trying, tried, timer, stopped, sent, doubtful, over}
  let late = "";  // typed after Send was pressed, before the answer came

  const formOf = element => element?.closest?.("form[data-draft]");
  const all = () => document.querySelectorAll("form[data-draft]");
  const fieldsOf = form => {
    const typed = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") typed.append(name, value);
    for (const name of ["csrfmiddlewaretoken", "client_token", "sequence"]) typed.delete(name);
    return typed;
  };
  const say = (form, what) => {
    const line = form.querySelector("[data-draft-state]");
    if (line && what) line.textContent = line.dataset[what] || "";
    if (line) line.style.visibility = what ? "" : "hidden";  // its place stays: nothing jumps while somebody types
    const notice = document.getElementById("signed-out");
    if (notice && what) notice.hidden = what !== "failed";
  };

  // The copy on the device. A browser that keeps nothing (a private window) is no fault.
  // Where several people of one browser write at one address, data-draft-local says who: nobody is given another's words.
  const key = form => ["draft", form.dataset.draftLocal, form.dataset.draft].filter(Boolean).join(" ");
  const keepCopy = form => {
    if (!("draftLocal" in form.dataset)) return;
    const { body, sequence, client_token } = form.elements;
    const sent = known.get(form)?.sent === undefined ? undefined : client_token.value;  // on its way: whether it arrived the server will say
    try { localStorage.setItem(key(form), JSON.stringify({ body: body.value, sequence: +sequence.value, sent })); } catch {}
  };
  const dropCopy = form => { try { localStorage.removeItem(key(form)); } catch {} };
  const copyOf = form => {
    if (!("draftLocal" in form.dataset)) return null;
    try { return JSON.parse(localStorage.getItem(key(form))); } catch { return null; }
  };

  const meet = form => {
    if (known.has(form)) return;
    const field = form.elements.body, copy = copyOf(form);
    known.set(form, { saved: String(fieldsOf(form)), tried: 0 });
    if (copy?.sent && !field.value) {
      form.elements.client_token.value = copy.sent;
      known.get(form).doubtful = copy.body;
    }
    if (copy && copy.body !== field.value) {  // of two texts that went apart no word is lost
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
    const number = +form.elements.sequence.value + (draft.trying === undefined ? 1 : 2);  // a later one overtakes that on its way
    draft.trying = text;
    draft.tried = number;
    typed.set("sequence", number);
    typed.set("client_token", form.elements.client_token.value);
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    try {
      draft.asked = fetch(form.dataset.draft, { method: "POST", headers, body: typed, keepalive: leaving });
      const answer = await draft.asked;
      heard(form, draft, text, number, answer.status, await answer.text());
    } catch {
      heard(form, draft, text, number);
    }
  };

  const heard = (form, draft, text, number, status = 0, body = "") => {
    draft.trying = undefined;
    if (!form.isConnected) return;  // sent meanwhile
    if (status === 204) {
      draft.saved = text;
      form.elements.sequence.value = number;
      dropCopy(form);
      say(form, form.elements.body.value && "kept");
    } else if (status === 409) {
      draft.stopped = true;
      draft.tried = 0;  // that number is the newer text's: sending this does not send that away
      keepCopy(form);
      showNewer(form, body);
    } else if (status === 410) {  // sent elsewhere: what is here now is another message, with the token that came, if one did
      draft.stopped = !body;
      draft.saved = undefined;
      form.elements.sequence.value = draft.tried = 0;
      if (body) form.elements.client_token.value = body;
      if (draft.doubtful === form.elements.body.value) {  // it did arrive
        form.elements.body.value = "";
        dropCopy(form);
      }
    } else {
      keepCopy(form);
      say(form, "failed");
      return soon(form, AGAIN);
    }
    if (String(fieldsOf(form)) !== draft.saved && !draft.stopped) soon(form);
  };

  const showNewer = (form, html) => {
    const place = form.querySelector("[data-draft-newer]");
    if (!place) return;
    place.innerHTML = html;  // of our own server
    document.dispatchEvent(new CustomEvent("announce", { detail: { value: place.querySelector("p")?.textContent } }));
  };

  const leave = () => {
    for (const form of all()) {
      if (!known.has(form)) continue;
      save(form, true);
      const { sent, trying } = known.get(form);
      if (sent !== undefined && trying !== undefined) keepCopy(form);  // neither may arrive
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
  document.addEventListener("leaving", event => {  // and what is on its way already is waited for
    for (const form of all()) if (known.has(form)) event.detail.push(save(form, true), known.get(form).asked);
  });
  addEventListener("online", () => { for (const form of all()) if (known.has(form)) save(form); });

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

  // Sending: the server forgets the draft up to the highest number that was on its way.
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
    draft.over = true;  // it loses the focus when it goes: no copy is made of what was sent
  });
  document.addEventListener("htmx:afterRequest", event => {
    const form = formOf(event.detail.requestConfig?.elt), draft = form && known.get(form);
    if (!draft || draft.sent === undefined) return;
    draft.sent = undefined;
    if (form.isConnected) { keepCopy(form); soon(form); }  // it did not arrive
  });

  document.addEventListener("htmx:afterSettle", () => all().forEach(meet));
  document.addEventListener("htmx:oobAfterSwap", () => all().forEach(meet));
  addEventListener("pageshow", () => all().forEach(meet));
  all().forEach(meet);
})();
