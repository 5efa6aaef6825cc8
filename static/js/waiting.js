// Stores forms on this phone while there is no connection, and sends them later, in order and each exactly once
// (docs/decisions/0025). Pages and the service worker share the first part of this file. It needs kept.js.
//
// A row of the store `waiting` is {token, number, writer, device, address, fields, page, kind, about, text, at,
// withoutFiles, refused, words, ended, again, failures, failedAt, triedAt}. `number` is the order. `writer` is the public id
// of the person, and `device` is the public id of the KeptDevice. Times are in milliseconds: `at` is when the person tapped,
// and `again` is when they pressed *Try again*. `refused` is the status code of the library's refusal, "old" if it has waited for too long, or
// "failed" if the server failed too often. `ended` is when the phone first knew that it will not send the form automatically.
// `failures` counts the failures of the server. The first was at `failedAt`, and the last at `triedAt`.
const WAITS_FOR = 7 * 24 * 3600e3, KEPT_UNSENT_FOR = 30 * 24 * 3600e3, SEND_TIMEOUT = 20e3;  // milliseconds
const FAILURES = 5, FAILS_FOR = 3600e3, RETRY_AFTER = 30;  // count, milliseconds, seconds
const waitingChannel = new BroadcastChannel("waiting");

// Runs `work` in one transaction, and resolves with what `work` has passed to its second argument.
const inWaiting = async (mode, work, name = "waiting") => {
  const database = await openKept();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(name, mode);
      let result;
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      work(transaction.objectStore(name), value => { result = value; });
    });
  } finally { database.close(); }
};

const waitingForms = async () => {
  const forms = await inWaiting("readonly", (store, give) => {
    store.getAll().onsuccess = event => give(event.target.result);
  });
  return forms.sort((one, other) => one.number - other.number);
};

const changeWaiting = async work => {
  await inWaiting("readwrite", work);
  waitingChannel.postMessage("changed");
};

// Changes a form, unless *Leave quickly* has deleted it.
const changeForm = (token, changes) => changeWaiting(store => {
  store.get(token).onsuccess = ({ target: { result } }) => { if (result) store.put({ ...result, ...changes }); };
});

// Stops sending the forms that have waited for too long. Deletes the forms that ended long ago, because people had time to
// copy their text. If the clock is set back, forms don't wait longer.
const endOld = async () => {
  const now = Date.now(), isPast = (time, duration) => Math.abs(now - time) > duration;
  const hasChanged = await inWaiting("readwrite", (store, give) => {
    store.getAll().onsuccess = ({ target: { result } }) => {
      for (const form of result) {
        const mayGo = !form.refused || form.refused === "failed";
        const refused = mayGo && isPast(form.again ?? form.at, WAITS_FOR) ? "old" : form.refused;
        const ended = refused && refused !== "failed" ? Math.min(form.ended ?? now, now) : undefined;
        if (ended === form.ended && refused === form.refused && !(ended && isPast(ended, KEPT_UNSENT_FOR))) continue;
        if (ended && isPast(ended, KEPT_UNSENT_FOR)) store.delete(form.token);
        else store.put({ ...form, refused, ended });
        give(true);
      }
    };
  });
  if (hasChanged) waitingChannel.postMessage("changed");
};

// Returns whether the order of two forms matters. For example, "Mark the unanswered items as helpful" depends on the verdicts.
const areAboutSame = (one, other) => {
  const kinds = [one.kind, other.kind], all = names => kinds.every(kind => names.includes(kind));
  return one.address === other.address || all(["save", "remove", "restore"]) || (kinds.includes("helped") && all(["helped", "answer"]));
};
// Returns a failed form that must be sent before this form, or undefined.
const formBefore = (form, all) => all.find(each => each.refused === "failed" && each.number < form.number && areAboutSame(each, form));

// Only one tab or service worker sends at a time, and no form is deleted while it is being sent.
const withWaiting = work => navigator.locks.request("waiting", work);

const sendOne = async (form, csrf) => {
  const response = await fetch(form.address, {
    method: "POST",
    redirect: "manual",
    signal: AbortSignal.timeout(SEND_TIMEOUT),
    headers: {
      "Accept": "application/json",
      "X-CSRFToken": csrf,
      "X-Form-Token": form.token,
      "X-Form-Writer": form.writer,
      "X-Form-Waited": Math.max(0, Math.round((Date.now() - form.at) / 1000)),
    },
    body: new URLSearchParams(form.fields),
  });
  let words = null;  // null if the response isn't from the view: from a proxy, or a page
  if (response.headers.get("Content-Type")?.startsWith("application/json")) words = (await response.json()).words ?? null;
  return { status: response.status, words, after: +response.headers.get("Retry-After") || RETRY_AFTER };
};

// Sends all waiting forms. Resolves with {state}: "done" if no form is left to send, "signed out", or "later" with
// `after`, the seconds until the next try. If the library refuses a form, the form stays here, and the next form is sent.
// If the server fails with a form for an hour, the form stays here too, and is tried again after an hour. Until then,
// forms about the same thing wait, and other forms are sent.
const sendWaiting = () => withWaiting(async () => {
  const refuse = ({ token }, refused, words) => changeForm(token, { refused, words });
  // Returns who is signed in now. The text of one person must not stay on the phone of another, so it is deleted. But if
  // the other record was merged into this one, the text belongs to the person who is signed in.
  const ask = async () => {
    const here = await (await fetch("/waiting/", { signal: AbortSignal.timeout(SEND_TIMEOUT) })).json();
    const others = here.writer && (await waitingForms()).filter(each => each.writer !== here.writer);
    if (others.length) await changeWaiting(store => {
      for (const form of others) {
        if (here.former?.includes(form.writer)) store.put({ ...form, writer: here.writer });
        else store.delete(form.token);
      }
    });
    return here;
  };
  const isDue = form => !form.refused || (form.refused === "failed" && Math.abs(Date.now() - form.triedAt) > FAILS_FOR);
  const fail = async ({ token, failures = 0, failedAt = Date.now() }) => {
    const isStuck = failures + 1 >= FAILURES && Math.abs(Date.now() - failedAt) >= FAILS_FOR;
    await changeForm(token, { refused: isStuck ? "failed" : "", words: "", failures: failures + 1, failedAt, triedAt: Date.now() });
    return isStuck;
  };
  let again = false;
  try {
    await endOld();
    if (!(await waitingForms()).length) return { state: "done" };
    let here = await ask();
    if (!here.writer) return { state: "signed out" };
    for (;;) {
      const all = await waitingForms(), form = all.find(each => isDue(each) && !formBefore(each, all));
      if (!form) return all.some(each => each.refused === "failed") ? { state: "later", after: FAILS_FOR / 1000 } : { state: "done" };
      const { status, words, after } = await sendOne(form, here.csrf);
      if (status === 200 && words !== null) await changeWaiting(store => store.delete(form.token));
      else if (status === 401) return { state: "signed out" };
      else if (status === 403 && words === null && !again) { again = true; here = await ask(); }  // the CSRF token was old
      else if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) await refuse(form, status, words ?? "");
      else if (status < 500 || !(await fail(form))) return { state: "later", after };
    }
  } catch { return { state: "later", after: RETRY_AFTER }; }
});

// The rest of this file is for pages: it stores forms whose request fails, and shows the waiting forms. It runs if the
// person keeps their pages on this phone, or if a form waits here. The texts are in the offline page, which the service
// worker stores.
(() => {
  if (!self.document || !crypto.randomUUID) return;
  const MAX_FORMS = 50, MAX_LENGTH = 5000, MAX_PAUSE = 600;  // the last one in seconds
  const { body } = document, { writer } = body.dataset, { lang } = document.documentElement;
  const isKeeping = "keptDevice" in body.dataset && writer && !document.getElementById("leave");  // never for a quiet visit
  let hasEnded = false;  // in another tab, the person has left or signed out
  const mayWait = () => isKeeping && !hasEnded && !("signedOut" in document.documentElement.dataset);
  const KINDS = [
    [/^\/messages\/[^/]+\/reply\/$/, "message"],
    [/^\/recommendations\/[^/]+\/verdict\/$/, "answer"],
    [/^\/recommendations\/[^/]+\/got-it\/$/, "got"],
    [/^\/sessions\/[^/]+\/all-helped\/$/, "helped"],
    [/^\/sessions\/[^/]+\/outcome\/$/, "visit"],
    [/^\/lists\/save\/[^/]+\/$/, "save"],
    [/^\/lists\/remove\/[^/]+\/$/, "remove"],
    [/^\/lists\/restore\/[^/]+\/$/, "restore"],
  ];
  // The buttons that undo "I've got it" or clear the answers about a visit can't wait.
  const kindOf = (path, fields) => !fields.has("undo") && !fields.has("clear") && KINDS.find(([pattern]) => pattern.test(path))?.[1];
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  let forms = [], parts;  // the person's forms that wait here; the templates of the offline page
  let device;  // on the offline page: the KeptDevice whose pages this phone still keeps

  // The parts of the page

  const loadParts = async () => {
    const here = document.getElementById("waiting-parts");
    if (here) return here;
    // After a change of the language, the service worker may still have the page in the old language.
    const name = (await caches.keys()).find(each => each.startsWith("offline ") && each.endsWith(` ${lang}`));
    const response = name ? await caches.match("/offline/", { cacheName: name }) : await fetch("/offline/").catch(() => caches.match("/offline/"));
    const holder = document.createElement("template");
    // Only this part is parsed, because the content security policy would complain about the style of the whole page.
    [holder.innerHTML] = (await response.text()).match(/<template id="waiting-parts"[^]*<\/template>/);
    return holder.content.firstElementChild;
  };
  const made = name => document.importNode(parts.content.querySelector(`[data-waiting="${name}"]`), true);
  const fill = (part, values) => {
    for (const [name, value] of Object.entries(values)) {
      const place = part.querySelector(`[data-part="${name}"]`);
      if (value) place.textContent = value;
      else place.remove();
    }
  };
  // Days and times are written as on every page, in the library's time zone.
  const inWords = (at, options) => new Date(at).toLocaleString(lang, { timeZone: parts.dataset.zone, month: "short", day: "numeric", ...options });
  const day = at => inWords(at);
  const when = at => inWords(at, { hour: "numeric", minute: "2-digit" }).replace("AM", "a.m.").replace("PM", "p.m.");

  const show = (form, isSignedOut) => {
    const part = made("form"), words = parts.dataset, { refused } = form;
    part.id = `waiting-${form.token}`;
    if (refused) part.classList.add("error");
    const state = words[refused] ?? (refused ? `${words.refused} ${form.words || words.cannot}`
      : isSignedOut ? words.signIn : formBefore(form, forms) ? words.behind : words.waits);
    fill(part, {
      about: (words[form.kind] ?? words.answer).replace("{title}", form.about),
      at: when(form.at),
      text: form.text,
      state,
      until: form.ended && words.until?.replace("{day}", day(form.ended + KEPT_UNSENT_FOR)),
      files: form.withoutFiles && words.files,
    });
    if (!form.text) part.querySelector("[data-do=copy]").remove();
    if (!refused) part.querySelector("[data-do=again]").remove();
    const page = part.querySelector("[data-do=page]");
    if (refused && form.page !== location.pathname) page.href = form.page;
    else page.remove();
    for (const button of part.querySelectorAll("[data-do]")) button.dataset.token = form.token;
    return part;
  };

  // Where this page shows the form: a message at the end of the conversation, any other form below the form itself.
  const placeOf = form => {
    if (form.kind === "message") {
      const list = document.querySelector(`form[action="${form.address}"]`) && document.getElementById("entries");
      return list && (part => {
        const line = document.createElement("li");
        line.dataset.waiting = "line";
        line.append(part);
        list.append(line);
      });
    }
    const source = document.querySelector(`form[action="${form.address}"], [formaction="${form.address}"]`);
    const beside = source?.matches("form") ? source : source?.closest("p, .row") || source;
    return beside && (part => beside.after(part));
  };

  const render = isSignedOut => {
    for (const old of document.querySelectorAll("[data-waiting]:not([data-waiting=leaving])")) old.remove();
    if (!forms.length || !parts) return;
    const list = made("list"), elsewhere = [];
    for (const form of forms) {
      const place = writer && placeOf(form);
      if (place) place(show(form, isSignedOut));
      else elsewhere.push(form);
    }
    if (!elsewhere.length) return;
    const known = elsewhere.filter(form => writer || (form.device && form.device === device));
    list.querySelector("[data-part=count]").textContent = parts.dataset.count.replace("{count}", forms.length).replace("{most}", MAX_FORMS);
    // If nobody is signed in, show only the number of forms, because anybody may be using the phone. The offline page also
    // shows only the number if this phone may no longer show kept pages.
    const place = list.querySelector("[data-part=forms]");
    if (known.length === elsewhere.length) place.replaceChildren();
    place.append(...known.map(form => show(form, isSignedOut)));
    // A long list is collapsed, so that it doesn't hide the page.
    list.open = !writer || elsewhere.length < 3 || elsewhere.some(form => form.refused);
    // On the page of a quiet visit, *Leave quickly* comes first.
    const leave = document.querySelector(".leave"), main = document.getElementById("waiting") || document.getElementById("main");
    if (leave) leave.after(list);
    else main.prepend(list);
  };

  const refresh = async isSignedOut => {
    await endOld();
    const all = await waitingForms();
    forms = writer ? all.filter(form => form.writer === writer) : all;
    // While this cookie is set, the server adds this script to each page.
    const age = all.length ? 400 * 24 * 3600 : 0, secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `waiting=1; path=/; max-age=${age}; samesite=lax${secure}`;
    if (forms.length) parts ??= await loadParts().catch(() => {});
    if (document.getElementById("waiting")) {
      device = await inWaiting("readonly", (store, give) => { store.get("kept").onsuccess = event => give(event.target.result?.device); }, "state");
    }
    render(isSignedOut);
    dispatchEvent(new Event("resize"));  // app.js looks for buttons that the tab bar cuts
    return all;
  };

  // Sending

  // Signing out deletes the database, even while another tab reads it. The other tab then gets a DOMException or null.
  const ignoreDeletion = error => { if (error && !(error instanceof DOMException)) throw error; };
  const sendUnlessDeleted = () => send().catch(ignoreDeletion);
  let timer, tries = 0;
  const send = async () => {
    clearTimeout(timer);
    const before = forms, { state, after } = await sendWaiting();
    await refresh(state === "signed out");
    showSent(before.filter(form => !forms.some(each => each.token === form.token)));
    tries = state === "later" ? tries + 1 : 0;
    if (state === "later") timer = setTimeout(sendUnlessDeleted, 1000 * Math.min(MAX_PAUSE, after * 2 ** (tries - 1)));
    return state;
  };
  // A sent message appears with the next update of the conversation. After any other form, the page is loaded again.
  const showSent = sent => {
    if (!sent.length || !parts) return;
    say(parts.dataset.sent);
    const isKept = document.getElementById("as-of");  // the page is an older, kept copy
    if (!isKept && sent.some(form => form.kind === "message")) document.dispatchEvent(new Event("visibilitychange"));  // app.js then requests the new messages
    const isTyping = [...document.querySelectorAll("textarea")].some(field => field.value !== field.defaultValue);
    if (!isTyping && sent.some(form => (isKept || form.kind !== "message") && placeOf(form))) location.reload();
  };
  const start = async () => {
    const all = await refresh();
    // If the page was loaded while a message waited, its composer may have the draft of this message.
    for (const { address, fields } of forms) {
      const composer = document.querySelector(`form[data-draft][action="${address}"]`);
      if (composer && composer.elements.client_token.value === new Map(fields).get("client_token")) empty(composer);
    }
    if (navigator.onLine && all.some(form => !form.refused || form.refused === "failed" || form.writer !== writer)) await send();
  };
  addEventListener("online", sendUnlessDeleted);
  new BroadcastChannel("waiting").onmessage = ({ data }) => {
    hasEnded ||= data === "ended";
    refresh().catch(ignoreDeletion);
  };
  document.addEventListener("htmx:afterSettle", () => { if (forms.length) render(); });

  // Storing

  // Stores a form. Throws if that isn't possible.
  const wait = async (address, fields, { form, button, kind }) => {
    parts ??= await loadParts();
    const typed = [...fields].filter(([name, value]) => typeof value === "string" && name !== "csrfmiddlewaretoken");
    const card = (button || form).closest(".item-card, article, li"), value = name => new Map(typed).get(name) ?? "";
    const about = (card?.querySelector("h3") || document.querySelector("h1")).textContent.trim();
    const question = button?.closest(".choices")?.querySelector(".label")?.textContent.trim();
    const choice = [...(button?.childNodes ?? [])].filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.data).join("").trim();
    const text = {
      message: value("body"),
      answer: typed.some(([name]) => name === "comment") ? value("comment") : choice,
      helped: choice,
      visit: `${question} ${choice}`,
    }[kind] ?? "";
    // If a patron answers the same question about a visit again, only the last answer counts.
    const names = fields => fields.map(([name]) => name).join();
    const isReplaced = each => kind === "visit" && each.address === address && names(each.fields) === names(typed);
    const row = {
      token: crypto.randomUUID(), writer, device: body.dataset.keptDevice, address, fields: typed, page: location.pathname, kind, about, text, at: Date.now(),
      withoutFiles: Boolean(form.querySelector("[data-attach] .field-error, [data-attach] .sending")),
    };
    let isFull = false;
    await changeWaiting(store => {
      store.getAll().onsuccess = event => {
        const others = event.target.result.filter(each => !isReplaced(each));
        for (const each of event.target.result) if (isReplaced(each)) store.delete(each.token);
        isFull = others.length >= MAX_FORMS;
        if (!isFull) store.put({ ...row, number: Math.max(0, ...others.map(each => each.number)) + 1 });
      };
    });
    if (isFull) throw new Error("Too much waits on this phone.");
    if (kind === "message") empty(form);
    await refresh();
    say(parts.dataset.waits);
    navigator.serviceWorker?.ready.then(worker => worker.sync?.register("waiting")).catch(() => {});
  };
  // The text is stored now, so empty the composer for the next message. drafts.js saves that it is empty.
  const empty = form => {
    const { body: field, client_token: token } = form.elements;
    field.value = "";
    token.value = crypto.randomUUID();
    form.dispatchEvent(new Event("waits", { bubbles: true }));
  };
  const isTooLong = fields => [...fields].some(([, value]) => typeof value === "string" && value.length > MAX_LENGTH);

  // If an htmx request fails and the form can wait, stop the event, so that app.js doesn't report a failure.
  document.addEventListener("htmx:sendError", async event => {
    const { requestConfig: { verb, path, formData, elt, triggeringEvent }, hasTried } = event.detail;
    const { pathname } = new URL(path, location), kind = kindOf(pathname, formData);
    if (!mayWait() || verb !== "post" || !kind || hasTried || isTooLong(formData)) return;
    event.stopImmediatePropagation();
    const button = triggeringEvent?.submitter || elt.closest("button");
    button?.dispatchEvent(new Event("ready", { bubbles: true }));  // the button says "Sending…"
    try {
      await wait(pathname, formData, { form: elt.closest("form"), button, kind });
    } catch {
      elt.dispatchEvent(new CustomEvent("htmx:sendError", { bubbles: true, detail: { ...event.detail, hasTried: true } }));
    }
  }, true);
  // If the network fails, a form without htmx leads to the browser's error page. So first ask whether the library
  // answers.
  const passing = new WeakSet();
  document.addEventListener("submit", async event => {
    const form = event.target, button = event.submitter;
    if (!mayWait() || [form, button].some(each => each?.hasAttribute("hx-post")) || passing.delete(form)) return;
    const { pathname } = new URL(button?.getAttribute("formaction") || form.getAttribute("action") || "", location);
    const fields = new FormData(form, button), kind = kindOf(pathname, fields);
    if (!kind || isTooLong(fields)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    try {
      await fetch("/waiting/", { signal: AbortSignal.timeout(SEND_TIMEOUT) });
    } catch {
      try { return await wait(pathname, fields, { form, button, kind }); } catch {}
    }
    passing.add(form);
    form.requestSubmit(button);
  }, true);

  // Buttons

  const drop = tokens => withWaiting(() => changeWaiting(store => { for (const token of tokens) store.delete(token); }));
  const actions = {
    // If the browser doesn't allow copying, the person can still select the text.
    copy: form => navigator.clipboard.writeText(form.text).then(() => say(parts.dataset.copied), () => {}),
    delete: async form => {
      await drop([form.token]);
      await refresh();
      if (forms.some(each => !each.refused)) send();  // they may have waited for that one
      document.getElementById("main")?.focus({ preventScroll: true });
      say(parts.dataset.deleted);
    },
    // *Try again* doesn't change the time of the tap. So if the patron made another choice after the tap, that choice counts.
    again: async form => {
      await withWaiting(() => changeForm(form.token, { refused: "", words: "", ended: undefined, again: Date.now() }));
      await send();
    },
  };
  document.addEventListener("click", event => {
    const { do: action, token } = event.target.closest?.("[data-do]")?.dataset ?? {};
    const form = forms.find(each => each.token === token);
    if (form && actions[action]) actions[action](form);
  });

  // Before people sign out or stop keeping pages, they decide what happens to the waiting forms. *Leave quickly* deletes
  // these forms immediately.
  document.addEventListener("submit", async event => {
    const form = event.target, { submitter } = event, leaves = form.matches("[action='/leave/']");
    if (!(leaves || form.matches("[action$='/sign-out/'], [data-ends-kept]"))) return;
    if (passing.delete(form) || !(forms.length || document.cookie.includes("waiting=1"))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (leaves) await Promise.race([changeWaiting(store => store.clear()), new Promise(done => setTimeout(done, 500))]);
    else await refresh().catch(() => {});
    const finish = () => {
      passing.add(form);
      form.requestSubmit(submitter);
    };
    if (leaves || !forms.length || !parts) return finish();
    document.querySelector("[data-waiting=leaving]")?.remove();
    const part = made("leaving");
    part.querySelector("[data-part=count]").textContent = parts.dataset.leaving.replace("{count}", forms.length);
    part.querySelector("[data-do=send]").onclick = async () => {
      await send();
      if (!forms.length) return finish();
      part.querySelector("[data-part=failed]").hidden = false;
      form.after(part);
    };
    part.querySelector("[data-do=discard]").onclick = async () => {
      await drop(forms.map(each => each.token));
      await refresh();
      finish();
    };
    part.querySelector("[data-do=stay]").onclick = () => part.remove();
    form.after(part);
    part.scrollIntoView({ block: "nearest" });
    part.querySelector("button").focus();
  }, true);

  // A kept copy of the page is old, so its token may have been used. Replace the token, unless drafts.js has restored a text
  // that may have arrived. Then the token belongs to that text.
  for (const { dataset, elements } of document.querySelectorAll("body:has(#as-of) form[data-draft]")) {
    const copy = localStorage.getItem(["draft", dataset.draftLocal, dataset.draft].filter(Boolean).join(" "));
    if (!elements.body.defaultValue && !copy?.includes('"sent":')) elements.client_token.value = crypto.randomUUID();
  }
  start().catch(ignoreDeletion);
  // If a form has to wait later, there is no connection, so load the texts for it now.
  if (isKeeping) loadParts().then(found => { parts = found; }).catch(() => {});
})();
