// A shared desk computer locks when nobody uses it: a word beforehand, a cover over what a patron at the counter could read, and the
// way to the page that asks for a PIN. What is being written is kept on the server first. The server locks it too, a little later.
// All tabs of the browser go together: in it stand two times, and no word of anybody's.
(() => {
  const USED = "desk-used", LOCKED = "desk-locked", HALF_A_MINUTE = 30000, TELL_EVERY = 65000, WAIT_FOR_WORDS = 3000;
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch {} };
  const recall = name => { try { return +localStorage.getItem(name) || 0; } catch { return 0; } };

  const form = document.getElementById("lock-form");
  if (!form) {  // the page that asks for a PIN: whatever tab showed something shows it no more
    try { sessionStorage.clear(); } catch {}
    return remember(LOCKED, Date.now());
  }

  const after = form.dataset.after * 60000, warning = document.getElementById("soon-locked"), cover = document.getElementById("lock-cover");
  let usedAt = Date.now(), told = usedAt, leaving = false;
  remember(USED, usedAt);

  const used = event => {
    // Whoever sees the warning goes on by its button, a key or a click elsewhere: it must not vanish below a hand on its way to it.
    if (!warning.hidden && (event.type === "pointermove" || (event.type !== "click" && warning.contains(event.target)))) return;
    const now = Date.now();
    if (leaving || now - Math.max(usedAt, recall(USED)) >= after) return look();  // too late: it is being locked
    if (now - usedAt > 1000) remember(USED, usedAt = now);
    warning.hidden = true;
    if (now - told < TELL_EVERY) return;
    told = now;
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    fetch(form.dataset.used, { method: "POST", headers }).then(answer => {
      const elsewhere = answer.headers.get("HX-Redirect");
      if (elsewhere) go(elsewhere);
    }).catch(() => {});
  };
  for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "input"]) addEventListener(sign, used, { passive: true, capture: true });
  document.getElementById("stay").addEventListener("click", used);

  const hide = () => {
    leaving = true;
    warning.hidden = true;
    cover.hidden = false;
    document.documentElement.classList.add("covered");
  };
  const go = address => { hide(); location.replace(address); };
  const toLocked = () => {
    const page = form.elements.next?.value;
    go(`${form.dataset.locked}?${new URLSearchParams({ ...(page && { next: page }), whose: form.dataset.whose })}`);
  };

  // Whoever keeps what is typed on the server is asked to do it now, and waited for.
  const keepWords = async () => {
    const kept = [];
    document.activeElement?.blur();
    document.dispatchEvent(new CustomEvent("leaving", { detail: kept }));
    await Promise.race([Promise.allSettled(kept), new Promise(done => setTimeout(done, WAIT_FOR_WORDS))]);
  };
  const lock = async () => {
    hide();
    await keepWords();
    form.submit();
  };
  form.addEventListener("submit", event => {
    event.preventDefault();
    leaving ? form.submit() : lock();
  });

  const look = () => {
    if (leaving) return;
    const unused = Date.now() - Math.max(usedAt, recall(USED));
    if (unused >= after) return lock();
    warning.hidden = unused < after - Math.min(HALF_A_MINUTE, after / 2);
  };
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", look);
  addEventListener("storage", event => { if (event.key === LOCKED && !leaving) toLocked(); });
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
})();
