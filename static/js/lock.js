// Locks a shared desk computer when nobody uses it. First it shows a warning. Then it covers the page, so that patrons at
// the desk can't read it, saves drafts on the server, and opens the page that asks for a PIN. The server also locks the
// computer, a little later. All tabs share two times in the browser's storage, and nothing that a person typed.
(() => {
  const USED = "desk-used", LOCKED = "desk-locked";
  const WARNING = 30000, REPORT_INTERVAL = 65000, MAX_SAVE_TIME = 3000;  // milliseconds
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch {} };
  const load = name => { try { return +localStorage.getItem(name) || 0; } catch { return 0; } };

  const form = document.getElementById("lock-form");
  // Only the page that asks for a PIN has no lock form. When it opens, all other tabs open it too.
  if (!form) {
    try { sessionStorage.clear(); } catch {}
    return store(LOCKED, Date.now());
  }

  const after = form.dataset.after * 60000, warning = document.getElementById("soon-locked"), cover = document.getElementById("lock-cover");
  let usedAt = Date.now(), reportedAt = usedAt, leaving = false;
  store(USED, usedAt);

  const onUse = event => {
    // The button of the warning, a key, or a click elsewhere hides the warning. Moving the pointer doesn't, because then
    // the warning would disappear before a person can click its button.
    if (!warning.hidden && (event.type === "pointermove" || (event.type !== "click" && warning.contains(event.target)))) return;
    const now = Date.now();
    if (leaving || now - Math.max(usedAt, load(USED)) >= after) return check();  // too late, so the computer locks
    if (now - usedAt > 1000) store(USED, usedAt = now);
    warning.hidden = true;
    if (now - reportedAt < REPORT_INTERVAL) return;
    reportedAt = now;
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    fetch(form.dataset.used, { method: "POST", headers }).then(response => {
      const url = response.headers.get("HX-Redirect");
      if (url) go(url);
    }).catch(() => {});
  };
  for (const type of ["pointerdown", "pointermove", "keydown", "wheel", "input"]) addEventListener(type, onUse, { passive: true, capture: true });
  document.getElementById("stay").addEventListener("click", onUse);

  const coverPage = () => {
    leaving = true;
    warning.hidden = true;
    cover.hidden = false;
    document.documentElement.classList.add("covered");
  };
  const go = url => { coverPage(); location.replace(url); };
  // Saving an unfinished form changes the address of the page. After unlocking, the same person returns to that address.
  const openedAs = location.pathname;
  const rememberPage = () => { if (form.elements.next && location.pathname !== openedAs) form.elements.next.value = location.pathname; };
  const goToLockedPage = () => {
    rememberPage();
    const page = form.elements.next?.value;
    go(`${form.dataset.locked}?${new URLSearchParams({ ...(page && { next: page }), whose: form.dataset.whose })}`);
  };

  // Tells drafts.js and desk.js to save what is typed, and waits for their requests.
  const saveDrafts = async () => {
    const requests = [];
    document.activeElement?.blur();
    document.dispatchEvent(new CustomEvent("leaving", { detail: requests }));
    await Promise.race([Promise.allSettled(requests), new Promise(done => setTimeout(done, MAX_SAVE_TIME))]);
  };
  const lock = async () => {
    coverPage();
    await saveDrafts();
    rememberPage();
    form.submit();
  };
  form.addEventListener("submit", event => {
    event.preventDefault();
    leaving ? form.submit() : lock();
  });

  const check = () => {
    if (leaving) return;
    const unused = Date.now() - Math.max(usedAt, load(USED));
    if (unused >= after) return lock();
    warning.hidden = unused < after - Math.min(WARNING, after / 2);
  };
  setInterval(check, 1000);
  document.addEventListener("visibilitychange", check);
  addEventListener("storage", event => { if (event.key === LOCKED && !leaving) goToLockedPage(); });
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
})();
