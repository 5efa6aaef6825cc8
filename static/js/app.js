// Small comforts of every page. Each page works without them.
(() => {
  const announce = text => {
    const line = document.getElementById("announce");
    if (!line || !text) return;
    line.textContent = "";
    setTimeout(() => { line.textContent = text; }, 100);  // so that the same words are read again
  };
  const announceIn = part => {
    const found = part.matches?.("[data-announce]") ? part : part.querySelector?.("[data-announce]");
    if (found) announce(found.dataset.announce);
  };
  const focusErrors = () => document.getElementById("error-summary")?.focus();

  focusErrors();
  announceIn(document.getElementById("notices") || document);
  document.addEventListener("htmx:oobAfterSwap", event => { if (event.detail.target.id !== "entries") announceIn(event.detail.target); });
  document.addEventListener("htmx:afterSettle", event => {
    announceIn(event.detail.elt);
    if (event.detail.elt.querySelector?.("#error-summary")) focusErrors();
  });
  document.addEventListener("announce", event => announce(event.detail.value));

  // What failed on its way says so beside the control that was used. A poll just tries again later.
  const complain = (event, words) => {
    const from = event.detail.elt;
    if (from.dataset.poll) return;
    document.getElementById("failed")?.remove();
    const notice = Object.assign(document.createElement("p"), { id: "failed", className: "notice error", textContent: words });
    from.after(notice);
    announce(words);
  };
  document.addEventListener("htmx:sendError", event => complain(event, document.body.dataset.offline));
  // What was done too often says from when on it can be done again.
  document.addEventListener("htmx:responseError", event => {
    const { status, responseText } = event.detail.xhr;
    complain(event, status === 429 && responseText || document.body.dataset.failed);
  });
  document.addEventListener("htmx:afterSwap", () => document.getElementById("failed")?.remove());

  // The script of a composer's files comes with the first touch: a page that is only read is lighter by it. What was chosen
  // before it came it finds in the fields.
  const files = document.getElementById("attach-words"), touches = ["pointerdown", "focusin", "keydown", "dragenter", "change"];
  const loadFiles = () => {
    for (const touch of touches) removeEventListener(touch, loadFiles);
    document.head.append(Object.assign(document.createElement("script"), { src: files.dataset.script }));
  };
  if (files) for (const touch of touches) addEventListener(touch, loadFiles);

  // One tap, one post. The server would make one of two posts as well; this spares the wait and the wonder.
  document.addEventListener("submit", event => {
    const form = event.target;
    if (event.defaultPrevented || form.hasAttribute("hx-post") || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
  // What is put in above what is being read doesn't move it, and the focus stays near.
  let still;
  document.addEventListener("htmx:beforeSwap", event => {
    if (!["earlier", "conversation"].includes(event.detail.target.id)) return;
    const read = [...document.querySelectorAll(".message")].find(message => message.getBoundingClientRect().bottom > 0);
    still = read && { id: read.id, top: read.getBoundingClientRect().top };
    document.documentElement.style.overflowAnchor = "none";  // or the browser does the same once more
  });
  document.addEventListener("htmx:afterSwap", () => {
    const read = still && document.getElementById(still.id);
    if (read) scrollBy({ top: read.getBoundingClientRect().top - still.top, behavior: "instant" });
    if (read && document.activeElement === document.body) { read.tabIndex = -1; read.focus({ preventScroll: true }); }
    still = document.documentElement.style.overflowAnchor = "";
  });

  // An answer that came below what is seen is named beside the composer, until somebody went there.
  const isSeen = link => document.querySelector(link.hash)?.getBoundingClientRect().top < innerHeight - document.querySelector(".dock").offsetHeight;
  document.addEventListener("htmx:oobAfterSwap", event => {
    const link = event.detail.target.querySelector("#arrived a");
    if (link && isSeen(link)) link.remove();
  });
  document.addEventListener("click", event => event.target.closest("#arrived a")?.remove());

  // What drafts.js kept in this browser while there was no connection is gone with whoever it belongs to.
  document.addEventListener("submit", event => {
    if (!event.target.matches("[action$='/sign-out/'], [action$='/leave/']")) return;
    try { for (const key of Object.keys(localStorage)) if (key.startsWith("draft ")) localStorage.removeItem(key); } catch {}
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("button[aria-disabled]")) button.removeAttribute("aria-disabled");
  });

  // <section data-poll="/news/?since=7" data-every="20">: asks while the page is seen, more seldom while nothing comes
  // (204), and puts what comes in its own place.
  let unchanged = 0, timer;
  const poll = () => {
    const part = document.querySelector("[data-poll]");
    if (part) timer = setTimeout(ask, Math.min(part.dataset.every * 1000 * 1.15 ** unchanged, 300000));
  };
  const ask = async () => {
    clearTimeout(timer);
    const part = document.querySelector("[data-poll]");
    if (part && document.visibilityState === "visible") {
      unchanged += 1;
      await window.htmx?.ajax("GET", part.dataset.poll, { source: part, target: part, swap: "outerHTML" }).catch(() => {});
    }
    poll();
  };
  document.addEventListener("htmx:afterSwap", () => { unchanged = 0; });
  document.addEventListener("visibilitychange", () => { unchanged = 0; ask(); });
  addEventListener("load", () => {
    poll();
    navigator.serviceWorker?.register("/sw.js").catch(() => {});
  });
})();
