// Keeps the desk's page of a conversation up to date. While the page is visible, it asks every few seconds what is new
// and who is here, and reports that this staff member is here and whether they write. New entries are added to the
// timeline by their ids. The message that the person reads and the text that they type do not move, and the composer
// does not change. Without this file, the page doesn't change after it was opened.
(() => {
  // The intervals in milliseconds. With longer ones, colleagues who are still here would seem to have left.
  const MIN_INTERVAL = 5000, MAX_INTERVAL = 8000, WRITING = 10000;
  const conversation = document.getElementById("conversation"), list = document.getElementById("entries");
  if (!conversation || !list) return;
  const byId = id => document.getElementById(id);
  const composer = () => byId("reply-form");

  // Showing what is new

  const update = answer => {
    if (answer.hasAttribute("data-gone")) return location.reload();
    const restore = keepPosition();
    byId("at").value = answer.dataset.at;
    conversation.dataset.state = answer.dataset.state;
    // Sending an answer removes the mark at the message that needs an answer. Taking the answer back adds the mark again.
    const mark = byId("needs-answer");
    if (mark) mark.hidden = !("waiting" in answer.dataset);
    const fresh = answer.querySelector("ol");
    if (fresh) merge(fresh);
    for (const part of answer.querySelectorAll("[data-for]")) {
      const old = byId(part.dataset.for);
      if (old && old.innerHTML !== part.innerHTML && !old.contains(document.activeElement)) {
        old.innerHTML = part.innerHTML;  // HTML from our own server
        window.htmx?.process(old);
      }
    }
    const form = composer();
    if (form && +answer.dataset.latest > form.elements.seen.value && !form.elements.body.value.trim()) form.elements.seen.value = answer.dataset.latest;
    answer.replaceChildren();
    startCountdowns();
    restore();
  };

  const merge = fresh => {
    const received = new Set([...fresh.children].map(entry => entry.id));
    let before = null;
    for (const entry of [...fresh.children]) {
      const old = byId(entry.id);
      if (old && list.contains(old)) {
        if (old.hasAttribute("data-pending") && !entry.hasAttribute("data-pending")) old.replaceWith(entry), before = entry;
        else if (!entry.matches(".day")) before = old;  // the day may already have more entries
        continue;
      }
      if (["needs-answer", "first-unread"].includes(entry.id)) continue;
      if (before) before.after(entry);
      else list.append(entry);
      before = entry;
      window.htmx?.process(entry);
      if (!entry.matches(".day")) entry.classList.add("fresh");
    }
    // A pending answer that is missing in the response was taken back. Also remove the entries that the answer caused.
    for (const pending of list.querySelectorAll("[data-pending]")) {
      if (received.has(pending.id)) continue;
      for (const caused of list.querySelectorAll(`[data-answer="${pending.id}"]`)) caused.remove();
      pending.remove();
    }
    if (list.lastElementChild?.matches(".day")) list.lastElementChild.remove();  // no entries of this day are left
    if (list.children.length) byId("no-word")?.remove();
  };

  // Returns a function that undoes a shift of the page: it scrolls the focused element back to its place on the screen.
  // If no visible element has the focus, it does this for the first visible entry.
  const keepPosition = () => {
    const isVisible = element => { const box = element.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; };
    const focused = document.activeElement;
    const anchor = conversation.contains(focused) && isVisible(focused) ? focused : [...list.children].find(isVisible);
    if (!anchor) return () => {};
    const top = anchor.getBoundingClientRect().top;
    return () => { if (anchor.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" }); };
  };

  // Polling

  let timer, unchanged = 0, typedAt = -Infinity, reportedWriting = false, swaps = 0;
  const isWriting = () => performance.now() - typedAt < WRITING;
  const schedulePoll = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") timer = setTimeout(poll, Math.min(MIN_INTERVAL * 1.15 ** unchanged, MAX_INTERVAL));
  };
  // Opens the next page only when the person pauses typing. Otherwise the next letters would count as shortcuts there.
  const leave = (go, until = performance.now() + WRITING) => {
    const wait = Math.min(typedAt + 1500, until) - performance.now();
    wait > 0 ? setTimeout(leave, wait, go, until) : go();
  };
  const isCovered = entry => entry && entry.getBoundingClientRect().bottom > byId("here").getBoundingClientRect().top;
  const poll = async () => {
    clearTimeout(timer);
    if (document.visibilityState !== "visible") return;
    const query = new URLSearchParams({ since: conversation.dataset.state, at: byId("at").value }), swapsBefore = swaps;
    reportedWriting = isWriting();
    if (reportedWriting) query.set("writing", "1");
    try {
      const answer = await fetch(`${conversation.dataset.news}?${query}`, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
      if (answer.headers.has("HX-Redirect")) return leave(() => location.replace(answer.headers.get("HX-Redirect")));
      // After a sign-out, or when staff may no longer open the conversation, the page must not stay visible. But
      // text that is being typed must not be lost.
      const isTyping = [...document.querySelectorAll("textarea")].some(field => field.value.trim());
      if (answer.status === 404 || (answer.status === 401 && !isTyping)) return leave(() => location.reload());
      if (answer.status === 401) byId("signed-out").hidden = false;
      unchanged = answer.status === 204 ? unchanged + 1 : 0;
      const html = answer.status === 200 && !answer.redirected ? await answer.text() : "";
      // If htmx has swapped a part since the request, the page is newer than this response, so ignore the response.
      // Also ignore it while a form is being sent, because it would replace the form.
      if (html && swapsBefore === swaps && !document.querySelector("[aria-busy=true]")) {
        const part = document.createRange().createContextualFragment(html).querySelector("[data-state], [data-gone]");
        const news = part?.dataset.announce;
        if (news) document.dispatchEvent(new CustomEvent("announce", { detail: { value: news } }));
        if (part) update(part);
        // The open composer may cover the new entries, so a line above the composer also announces them.
        if (news && isCovered(list.lastElementChild)) byId("here").textContent = news;
      }
    } catch {}  // the next poll tries again
    schedulePoll();
  };
  document.addEventListener("visibilitychange", () => { unchanged = 0; poll(); });
  addEventListener("pageshow", event => event.persisted ? poll() : schedulePoll());
  addEventListener("pagehide", () => {
    const form = new FormData();
    form.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    navigator.sendBeacon(conversation.dataset.leave, form);
  });
  document.addEventListener("input", event => {
    if (!event.target.matches("textarea")) return;
    typedAt = performance.now();
    unchanged = 0;
    if (!reportedWriting) reportedWriting = true, poll();  // so that colleagues see it right away
  });

  // The response that replaces the composer also contains new entries.
  const onSwap = () => {
    const arrived = byId("arrived");
    if (!arrived?.children.length) return;
    swaps += 1;
    typedAt = -Infinity;
    update(arrived);
  };
  // Scrolls to an answer that was just sent, so that its undo button is visible. Adds a link to the next conversation.
  const onSent = () => {
    const notice = byId("composer-says"), next = byId("next-conversation"), own = [...list.querySelectorAll(".pending-answer button")].at(-1);
    if (!own || !notice || notice !== document.activeElement) return;
    answering.classList.remove("used");
    own.closest("li").scrollIntoView({ block: "nearest", behavior: "instant" });
    keepAboveComposer(own);
    if (!next || notice.querySelector("a")) return;
    notice.append(next.cloneNode(true));
    notice.lastChild.removeAttribute("id");
    notice.lastChild.removeAttribute("data-key");
    notice.lastChild.firstChild.textContent = `${next.title} `;
  };
  document.addEventListener("htmx:oobAfterSwap", onSwap);
  document.addEventListener("htmx:afterSettle", onSwap);
  document.addEventListener("htmx:afterSettle", onSent);

  // The countdown of the undo window

  const due = new WeakMap();
  let ticking;
  const startCountdowns = () => {
    for (const left of list.querySelectorAll(".pending-answer [data-left]")) if (!due.has(left)) due.set(left, performance.now() + left.textContent * 1000);
    ticking ||= setInterval(tick, 1000);
    tick();
  };
  const tick = () => {
    const all = list.querySelectorAll(".pending-answer [data-left]");
    for (const left of all) {
      const seconds = Math.ceil((due.get(left) - performance.now()) / 1000);
      if (seconds > 0) left.textContent = seconds;
      else {
        const restore = keepPosition(), pending = left.closest(".pending-answer");
        if (pending.contains(document.activeElement)) byId("id_body")?.focus({ preventScroll: true });
        left.closest("[data-pending]")?.removeAttribute("data-pending");
        pending.remove();
        restore();
      }
    }
    if (!all.length) clearInterval(ticking), ticking = undefined;
  };

  conversation.dataset.state = byId("arrived").dataset.state;
  startCountdowns();

  // The page opens at the message that needs an answer, or else at the first unread entry, or else at the last entry. The
  // composer is always in view. The focus doesn't move, so a screen reader begins at the top of the page, or at the element
  // that the address names.
  const opensAt = conversation.dataset.opensAt, answering = document.querySelector(".answering");
  const target = opensAt === "end" ? list.lastElementChild : byId(opensAt);
  // If staff took an answer back on another page, the address names the composer, and the composer has the focus.
  const focusedFirst = location.hash === "#id_body" ? byId("id_body") : document.body;
  const showTarget = () => {
    if (!target || !["", "#id_body", `#${opensAt}`].includes(location.hash)) return;
    if (![document.body, focusedFirst].includes(document.activeElement)) return;
    scrollTo({ top: 0, behavior: "instant" });
    const bar = byId("toolbar"), isAbove = getComputedStyle(bar).order === "0";
    const top = target.getBoundingClientRect().top - (isAbove ? bar.offsetHeight : 0) - 16;
    const hidden = list.lastElementChild.getBoundingClientRect().bottom + 8 - answering.getBoundingClientRect().top;
    // If the target and all entries after it fit above the composer, scroll only until the last entry is visible. Then
    // the subject of a short conversation and the answer before the target stay in view.
    scrollTo({ top: Math.max(0, Math.min(top, hidden)), behavior: "instant" });
  };
  // Scrolls the page until the composer no longer hides the end of the element.
  const keepAboveComposer = (element, most = Infinity) => {
    const hidden = element.getBoundingClientRect().bottom + 16 - answering.getBoundingClientRect().top;
    scrollBy({ top: Math.max(0, Math.min(hidden, most)), behavior: "instant" });
  };
  showTarget();
  // Until the page is loaded, the browser may still scroll to the element that the address names.
  addEventListener("load", showTarget, { once: true });

  // The composer is short until staff use it, so that the messages have more space. It grows only after a click is complete.
  // If it grew when the mouse button is pressed, its buttons would move, and the click would miss them.
  const use = () => {
    if (answering.classList.contains("used")) return;
    answering.classList.add("used");
    // When the field gets the focus, the browser may scroll inside the short composer. Undo this, so that the label is visible.
    requestAnimationFrame(() => { if (document.activeElement === byId("id_body")) byId("reply-form").scrollTop = 0; });
    // The composer is taller now. Scroll the page, so that it doesn't hide the message that needs an answer.
    const mark = byId("needs-answer"), bar = byId("toolbar");
    if (!mark || mark.hidden) return;
    const above = getComputedStyle(bar).order === "0" ? bar.offsetHeight : 0;
    keepAboveComposer(list.lastElementChild, mark.getBoundingClientRect().top - above - 16);
  };
  let isPressed = false;
  for (const type of ["pointerdown", "click", "keydown"]) addEventListener(type, () => { isPressed = type === "pointerdown"; }, true);
  for (const type of ["click", "focusin", "change"]) {
    addEventListener(type, event => {
      if (answering.contains(event.target) && !event.target.matches("[tabindex='-1']") && !(isPressed && type !== "click")) use();
    }, true);
  }
})();
