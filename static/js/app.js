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
  document.addEventListener("htmx:oobAfterSwap", event => announceIn(event.detail.target));
  document.addEventListener("htmx:afterSettle", event => {
    announceIn(event.detail.elt);
    if (event.detail.elt.querySelector?.("#error-summary")) focusErrors();
  });
  document.addEventListener("announce", event => announce(event.detail.value));
  document.addEventListener("htmx:sendError", () => announce(document.body.dataset.offline));

  // One tap, one post. The server would make one of two posts as well; this spares the wait and the wonder.
  document.addEventListener("submit", event => {
    const form = event.target;
    if (event.defaultPrevented || form.hasAttribute("hx-post") || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("button[aria-disabled]")) button.removeAttribute("aria-disabled");
  });

  // <section data-poll="/news/?since=7" data-every="20">: asks while the page is seen, more seldom while nothing comes
  // (204), and puts what comes in its own place.
  let unchanged = 0;
  const poll = () => {
    const part = document.querySelector("[data-poll]");
    if (!part) return;
    const wait = Math.min(part.dataset.every * 1000 * 1.15 ** unchanged, 300000);
    setTimeout(async () => {
      if (document.visibilityState === "visible" && part.isConnected) {
        unchanged += 1;
        await htmx.ajax("GET", part.dataset.poll, { source: part, target: part, swap: "outerHTML" }).catch(() => {});
      }
      poll();
    }, wait);
  };
  document.addEventListener("htmx:afterSwap", () => { unchanged = 0; });
  document.addEventListener("visibilitychange", () => { unchanged = 0; });
  addEventListener("load", poll);
})();
