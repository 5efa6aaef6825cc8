// The open page of a conversation at the desk: asks every few seconds, while it is seen, what is new and who is here, and says that
// this colleague is here and whether they write. What comes is added to the time line by its ids; nothing that is being read
// or typed moves, and the composer stays as it is. Without this file the page shows what was there when it was opened.
(() => {
  const EVERY = 5000, QUIET = 8000, WRITING = 10000;  // never slower: colleagues would seem to have gone
  const conversation = document.getElementById("conversation"), list = document.getElementById("entries");
  if (!conversation || !list) return;
  const byId = id => document.getElementById(id);
  const composer = () => byId("reply-form");

  // What is new

  const place = answer => {
    if (answer.hasAttribute("data-gone")) return location.reload();
    const still = keepStill();
    byId("at").value = answer.dataset.at;
    conversation.dataset.state = answer.dataset.state;
    const fresh = answer.querySelector("ol");
    if (fresh) merge(fresh);
    for (const part of answer.querySelectorAll("[data-for]")) {
      const old = byId(part.dataset.for);
      if (old && old.innerHTML !== part.innerHTML && !old.contains(document.activeElement)) {
        old.innerHTML = part.innerHTML;  // of our own server
        window.htmx?.process(old);
      }
    }
    const form = composer();
    if (form && +answer.dataset.latest > form.elements.seen.value && !form.elements.body.value.trim()) form.elements.seen.value = answer.dataset.latest;
    answer.replaceChildren();
    count();
    still();
  };

  const merge = fresh => {
    const told = new Set([...fresh.children].map(entry => entry.id));
    let before = null;
    for (const entry of [...fresh.children]) {
      const old = byId(entry.id);
      if (old && list.contains(old)) {
        if (old.hasAttribute("data-pending") && !entry.hasAttribute("data-pending")) old.replaceWith(entry), before = entry;
        else if (!entry.matches(".day")) before = old;  // of its day there may be more than what came
        continue;
      }
      if (entry.id === "first-unread") continue;
      if (before) before.after(entry);
      else list.append(entry);
      before = entry;
      window.htmx?.process(entry);
      if (!entry.matches(".day")) entry.classList.add("fresh");
    }
    for (const held of list.querySelectorAll("[data-pending]")) if (!told.has(held.id)) held.remove();  // it was taken back
    if (list.children.length) byId("no-word")?.remove();
  };

  // Whatever has the focus stays where it is in the window; otherwise the first entry that can be seen.
  const keepStill = () => {
    const seen = element => { const box = element.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; };
    const focused = document.activeElement;
    const mark = conversation.contains(focused) && seen(focused) ? focused : [...list.children].find(seen);
    if (!mark) return () => {};
    const top = mark.getBoundingClientRect().top;
    return () => { if (mark.isConnected) scrollBy({ top: mark.getBoundingClientRect().top - top, behavior: "instant" }); };
  };

  // Asking

  let timer, unchanged = 0, typedAt = -Infinity, saidWriting = false, swaps = 0;
  const isWriting = () => performance.now() - typedAt < WRITING;
  const soon = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") timer = setTimeout(ask, Math.min(EVERY * 1.15 ** unchanged, QUIET));
  };
  const ask = async () => {
    clearTimeout(timer);
    if (document.visibilityState !== "visible") return;
    const query = new URLSearchParams({ since: conversation.dataset.state, at: byId("at").value }), asked = swaps;
    saidWriting = isWriting();
    if (saidWriting) query.set("writing", "1");
    try {
      const answer = await fetch(`${conversation.dataset.news}?${query}`, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
      if (answer.headers.has("HX-Redirect")) return location.replace(answer.headers.get("HX-Redirect"));
      // Signed out, or no longer at this desk: what stands here is for these eyes no more. Only what is being typed is not thrown away.
      const isTyping = [...document.querySelectorAll("textarea")].some(field => field.value.trim());
      if (answer.status === 404 || (answer.status === 401 && !isTyping)) return location.reload();
      if (answer.status === 401) byId("signed-out").hidden = false;
      unchanged = answer.status === 204 ? unchanged + 1 : 0;
      const html = answer.status === 200 && !answer.redirected ? await answer.text() : "";
      if (html && asked === swaps) {  // else the page is newer than this answer
        const part = document.createRange().createContextualFragment(html).querySelector("[data-state], [data-gone]");
        if (part?.dataset.announce) document.dispatchEvent(new CustomEvent("announce", { detail: { value: part.dataset.announce } }));
        if (part) place(part);
      }
    } catch {}  // asked again later
    soon();
  };
  document.addEventListener("visibilitychange", () => { unchanged = 0; ask(); });
  addEventListener("pageshow", event => event.persisted ? ask() : soon());
  addEventListener("pagehide", () => {
    const form = new FormData();
    form.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    navigator.sendBeacon(conversation.dataset.leave, form);
  });
  document.addEventListener("input", event => {
    if (!event.target.matches("textarea")) return;
    typedAt = performance.now();
    unchanged = 0;
    if (!saidWriting) saidWriting = true, ask();  // colleagues should know within ten seconds
  });

  // What htmx brought with a composer
  const brought = () => {
    const arrived = byId("arrived");
    if (!arrived?.children.length) return;
    swaps += 1;
    typedAt = -Infinity;
    place(arrived);
  };
  // An answer that was just sent is shown whole, with its undoing; the way on to the next conversation stands beside the word that it was.
  const sent = () => {
    const said = byId("composer-says"), next = byId("next-conversation"), own = [...list.querySelectorAll(".pending-answer button")].at(-1);
    if (!own || !said || said !== document.activeElement) return;
    own.closest("li").scrollIntoView({ block: "center", behavior: "instant" });
    if (!next || said.querySelector("a")) return;
    said.append(next.cloneNode(true));
    said.lastChild.removeAttribute("id");
    said.lastChild.removeAttribute("data-key");
    said.lastChild.firstChild.textContent = `${next.title} `;
  };
  document.addEventListener("htmx:oobAfterSwap", brought);
  document.addEventListener("htmx:afterSettle", brought);
  document.addEventListener("htmx:afterSettle", sent);

  // The seconds in which an answer can be taken back

  const due = new WeakMap();
  let ticking;
  const count = () => {
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
        const still = keepStill(), held = left.closest(".pending-answer");
        if (held.contains(document.activeElement)) byId("id_body")?.focus({ preventScroll: true });
        left.closest("[data-pending]")?.removeAttribute("data-pending");
        held.remove();
        still();
      }
    }
    if (!all.length) clearInterval(ticking), ticking = undefined;
  };

  conversation.dataset.state = byId("arrived").dataset.state;
  count();
  if (!location.hash && conversation.dataset.opensAt) {
    const there = conversation.dataset.opensAt === "end" ? list.lastElementChild : byId(conversation.dataset.opensAt);
    there?.scrollIntoView({ block: conversation.dataset.opensAt === "end" ? "center" : "start" });
  }
})();
