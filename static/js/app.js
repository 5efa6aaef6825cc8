// Conveniences for every page. Each page works without this file.
(() => {
  // The settings of htmx. They are here and not in a <meta> element, because they would block the first paint of every page.
  if (window.htmx) {
    Object.assign(window.htmx.config, {
      allowEval: false, includeIndicatorStyles: false, selfRequestsOnly: true, historyCacheSize: 0, defaultSettleDelay: 0,
    });
  }

  const announce = text => {
    const line = document.getElementById("announce");
    if (!line || !text) return;
    line.textContent = "";
    // A screen reader only announces a change, so the line is empty for a moment.
    setTimeout(() => { line.textContent = text; }, 100);
  };
  const announceIn = part => {
    const source = part.matches?.("[data-announce]") ? part : part.querySelector?.("[data-announce]");
    if (source) announce(source.dataset.announce);
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

  // A pressed button is disabled immediately, and soon says that its request is being sent. The button becomes usable again
  // after a response, an error, or the time `SLOW`. A button with data-again is not disabled.
  const WORDS_AFTER = 50, ANNOUNCED_AFTER = 1000, SLOW = 30000, STAYS = 2000;  // milliseconds
  const pressed = new Map();  // {button: what must be restored after the response}
  const isUnfocused = () => [null, document.body].includes(document.activeElement);
  const showBusy = (button, { whole = true, delay = WORDS_AFTER } = {}) => {
    document.getElementById("failed")?.remove();
    if (!button || pressed.has(button)) return;
    const { form } = button, words = document.body.dataset.sending, isButton = button.matches("button");
    const buttons = whole && form ? [...form.elements].filter(each => each.type === "submit" && !each.disabled) : [button];
    const state = { form, buttons: isButton && !("again" in button.dataset) ? buttons : [], focused: document.activeElement === button };
    pressed.set(button, state);
    for (const each of state.buttons) each.disabled = true;
    button.setAttribute("aria-busy", "true");
    const showWords = () => {
      if (!isButton) return;
      // Keep the size of the button, so that nothing around it moves.
      Object.assign(button.style, { minInlineSize: `${button.offsetWidth}px`, minBlockSize: `${button.offsetHeight}px` });
      state.content = [...button.childNodes];
      button.replaceChildren(words);
    };
    state.timers = [setTimeout(showWords, delay), setTimeout(announce, ANNOUNCED_AFTER, words)];
  };
  const showReady = button => {
    const state = pressed.get(button);
    if (!state) return;
    pressed.delete(button);
    state.timers.forEach(clearTimeout);
    for (const each of state.buttons) each.disabled = false;
    button.removeAttribute("aria-busy");
    delete state.form?.dataset.sent;
    if (state.content) {
      button.replaceChildren(...state.content);
      // The content security policy forbids even an empty style attribute. Chromium removes this attribute only if it was read.
      if (button.hasAttribute("style")) button.removeAttribute("style");
    }
    // A disabled button loses the focus.
    if (state.focused && isUnfocused()) button.focus({ preventScroll: true });
  };
  // Safari doesn't focus a clicked button, so give it the focus here.
  document.addEventListener("click", event => {
    if (event.isTrusted && isUnfocused()) event.target.closest("button")?.focus({ preventScroll: true });
  }, true);
  // Scripts that send a request themselves dispatch these events on the pressed button.
  document.addEventListener("busy", event => showBusy(event.target));
  document.addEventListener("ready", event => showReady(event.target));

  const senders = new WeakMap();  // {htmx request: the button or link that was pressed}
  document.addEventListener("htmx:beforeSend", event => {
    const { elt, xhr, requestConfig } = event.detail, cause = requestConfig.triggeringEvent;
    const button = cause?.submitter || (cause?.type === "click" && elt);
    if (!button) return;
    senders.set(xhr, button);
    showBusy(button, { whole: elt !== button });
    // A poll would replace the button.
    const part = document.querySelector("[data-poll]");
    if (part) htmx.trigger(part, "htmx:abort");
    xhr.addEventListener("loadend", () => {
      // With one of these headers, the browser is loading another page, so the button stays disabled.
      if (!xhr.getResponseHeader("HX-Redirect") && !xhr.getResponseHeader("HX-Refresh")) showReady(button);
    });
  });
  // Give the button the focus again before the swap. After the swap, htmx focuses the new button with the same id.
  let swapped;  // the button whose response is being swapped in, if it has the focus
  document.addEventListener("htmx:beforeSwap", event => {
    const button = senders.get(event.detail.xhr);
    showReady(button);
    swapped = button && document.activeElement === button && button;
  });
  // If the swap removed the focused button and nothing else has the focus, focus the new part of the page.
  document.addEventListener("htmx:afterSettle", event => {
    const part = document.getElementById(event.detail.target?.id) || event.detail.elt;
    if (!swapped || swapped.isConnected || !isUnfocused() || !part.isConnected) return;
    if (!part.hasAttribute("tabindex")) part.tabIndex = -1;
    part.focus({ preventScroll: true });
  });

  // A failed request shows a notice next to the control. A poll tries again instead.
  const BESIDE = ".choices, .send, .row, .toolbar, .tools, .finish, p";
  const showFailure = (event, words, html) => {
    const control = senders.get(event.detail.xhr) || event.detail.elt;
    if (!control.dataset.poll) showMessage(control, words, html);
  };
  const showMessage = (control, words, html) => {
    document.getElementById("failed")?.remove();
    const notice = Object.assign(document.createElement("p"), { id: "failed", className: "notice error", textContent: words });
    if (html) notice.innerHTML = html;  // HTML from our own server
    (control.matches("button, a") && control.closest(BESIDE) || control).after(notice);
    notice.scrollIntoView({ block: "nearest" });
    announce(notice.textContent);
  };
  document.addEventListener("htmx:sendError", event => showFailure(event, document.body.dataset.unreached));
  // A 429 response says when to try again, and a 401 response has links. A proxy's pages are never shown.
  document.addEventListener("htmx:responseError", event => {
    const { xhr } = event.detail, { status } = xhr, body = xhr.getResponseHeader("X-From-Portal") && xhr.responseText;
    const { failed, refused } = document.body.dataset;
    showFailure(event, status === 429 && body || status === 401 && refused || failed, status === 401 && body);
  });
  document.addEventListener("htmx:afterSwap", event => {
    if (!event.detail.requestConfig?.elt.dataset.poll) document.getElementById("failed")?.remove();
  });

  // The script for attachments is loaded at the first interaction. Files that were chosen before that stay in the form.
  const files = document.getElementById("attach-words"), interactions = ["pointerdown", "focusin", "keydown", "dragenter", "change"];
  const loadFiles = () => {
    for (const type of interactions) removeEventListener(type, loadFiles);
    document.head.append(Object.assign(document.createElement("script"), { src: files.dataset.script }));
  };
  if (files) for (const type of interactions) addEventListener(type, loadFiles);

  // Pictures are loaded after the page, and only those in view. Before the first interaction, only FEW are loaded: the first
  // covers or, in a conversation, blurred copies of the last pictures. A real cover lies over the drawn cover. The drawn cover
  // stays if the real one can't be loaded.
  const FEW = 2;
  let soft = 0, isTouched = false;
  const sharpen = event => {
    // When the page scrolls under a mouse that doesn't move, browsers send a pointermove without movement. Ignore it.
    if (isTouched || (event.type === "pointermove" && !event.movementX && !event.movementY)) return;
    isTouched = true;
    for (const picture of document.querySelectorAll("a.late > img")) picture.src = picture.src.replace("size=soft", "size=small");
    pictures.disconnect();
    watchPictures();
  };
  const pictures = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of files ? seen.reverse() : seen) {
      const isCover = target.matches(".cover"), late = target.querySelector("noscript");
      if (!late || !isIntersecting || (!isTouched && ((files && isCover) || ++soft > FEW))) continue;
      pictures.unobserve(target);
      if (isCover) late.outerHTML = late.innerHTML;
      else target.innerHTML = isTouched ? late.innerHTML : late.innerHTML.replace("size=small", "size=soft");
    }
  });
  const watchPictures = () => { for (const late of document.querySelectorAll(":is(.late, .cover):has(> noscript)")) pictures.observe(late); };
  for (const type of [...interactions, "pointermove", "wheel"]) addEventListener(type, sharpen, { passive: true });
  // Wait until a conversation has scrolled to its newest message, so that only pictures near that message are loaded.
  addEventListener("load", () => setTimeout(() => {
    watchPictures();
    new MutationObserver(watchPictures).observe(document.body, { childList: true, subtree: true });
  }, 300));

  // A double tap sends a form only once. If no page loads after sending, the person can send the form again.
  const TEXT = "textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=file])";
  document.addEventListener("submit", event => {
    const form = event.target, button = event.submitter;
    if (event.defaultPrevented) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    // The browser collects the fields after this event, and it would leave out the value of a disabled button.
    setTimeout(() => {
      showBusy(button, { delay: 0 });
      // If the form downloads a file or opens a new tab, this page stays open.
      const stays = "download" in form.dataset || (button?.formTarget || form.target) === "_blank";
      const timer = setTimeout(() => {
        const { unreached, stillHere } = document.body.dataset, isLost = !stays && pressed.has(button);
        delete form.dataset.sent;
        showReady(button);
        if (isLost) showMessage(button, [...form.elements].some(each => each.matches(TEXT) && each.value) ? `${unreached} ${stillHere}` : unreached);
      }, stays ? STAYS : SLOW);
      pressed.get(button)?.timers.push(timer);
    });
  });
  // When messages are added above, the message that is being read stays where it is and gets the focus.
  let reading;
  document.addEventListener("htmx:beforeSwap", event => {
    if (!["earlier", "conversation"].includes(event.detail.target.id)) return;
    const message = [...document.querySelectorAll(".message")].find(each => each.getBoundingClientRect().bottom > 0);
    reading = message && { id: message.id, top: message.getBoundingClientRect().top };
    // Stop the browser from correcting the scroll position too.
    document.documentElement.style.overflowAnchor = "none";
  });
  document.addEventListener("htmx:afterSwap", () => {
    const message = reading && document.getElementById(reading.id);
    if (message) scrollBy({ top: message.getBoundingClientRect().top - reading.top, behavior: "instant" });
    if (message && document.activeElement === document.body) { message.tabIndex = -1; message.focus({ preventScroll: true }); }
    reading = document.documentElement.style.overflowAnchor = "";
  });

  // If a new answer is below the visible part of the page, a link to it is shown next to the composer.
  const isVisible = link => document.querySelector(link.hash)?.getBoundingClientRect().top < innerHeight - document.querySelector(".composer").offsetHeight;
  document.addEventListener("htmx:oobAfterSwap", event => {
    const link = event.detail.target.querySelector("#arrived a");
    if (link && isVisible(link)) link.remove();
  });
  document.addEventListener("click", event => event.target.closest("#arrived a")?.remove());

  // Signing out and *Leave quickly* delete the drafts in this browser. After signing out, this tab stores no more drafts, and a
  // storage event tells the other tabs to store none.
  document.addEventListener("submit", event => {
    if (!event.target.matches("[action$='/sign-out/'], [action^='/leave/']")) return;
    try { for (const key of Object.keys(localStorage)) if (key.startsWith("draft ")) localStorage.removeItem(key); } catch {}
    if (event.target.matches("[action^='/leave/']")) return;
    document.documentElement.dataset.signedOut = "";
    try { localStorage.setItem("signed-out", "1"); localStorage.removeItem("signed-out"); } catch {}
  });
  addEventListener("storage", event => { if (event.key === "signed-out") document.documentElement.dataset.signedOut = ""; });
  // When the person goes back to this page, buttons may still be disabled. Firefox remembers this even after a reload.
  // Enable all buttons, because the server never disables one.
  addEventListener("pageshow", event => {
    if (!event.persisted && pressed.size) return;
    for (const button of [...pressed.keys()]) showReady(button);
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
  });

  // If the tab bar covered only a part of a button or row, a tap on that part would open a tab. So while the page doesn't
  // scroll, a strip above the bar hides the rest of such a button or row.
  const dock = document.querySelector(".dock"), TARGETS = "main :is(a[href], button, input:not([type=hidden]), select, textarea, summary)";
  let resting;
  const hideCutTargets = () => {
    if (getComputedStyle(dock).position !== "sticky") return;
    const bar = dock.getBoundingClientRect().top, most = 6 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    const boxes = [...document.querySelectorAll(TARGETS)].map(target => (target.closest("label, li:has(> .grow > .cover-all)") || target).getBoundingClientRect());
    let top = bar;
    for (const box of boxes.sort((one, other) => other.top - one.top)) if (box.top < top && box.bottom > top && box.top >= bar - most) top = box.top;
    dock.style.setProperty("--hides", `${Math.ceil(bar - top)}px`);
  };
  const rest = () => {
    dock.style.removeProperty("--hides");
    clearTimeout(resting);
    resting = setTimeout(hideCutTargets, 150);
  };
  if (dock) {
    for (const type of ["scroll", "resize", "load"]) addEventListener(type, rest, { passive: true });
    for (const type of ["htmx:afterSettle", "toggle", "input", "focusin"]) document.addEventListener(type, rest, { capture: true });
  }

  // <section data-poll="/news/" data-every="20"> is replaced by the response of its URL every 20 seconds while the page
  // is visible. While nothing is new (204), it polls less often.
  let unchanged = 0, timer;
  const schedulePoll = () => {
    const part = document.querySelector("[data-poll]");
    if (part) timer = setTimeout(poll, Math.min(part.dataset.every * 1000 * 1.15 ** unchanged, 300000));
  };
  const poll = async () => {
    clearTimeout(timer);
    const part = document.querySelector("[data-poll]");
    if (part && document.visibilityState === "visible" && !pressed.size) {
      unchanged += 1;
      await window.htmx?.ajax("GET", part.dataset.poll, { source: part, target: part, swap: "outerHTML" }).catch(() => {});
    }
    schedulePoll();
  };
  document.addEventListener("htmx:afterSwap", () => { unchanged = 0; });
  document.addEventListener("visibilitychange", () => { unchanged = 0; poll(); });
  // A choice that needs push messages is shown only if this browser can get them.
  if ("PushManager" in window && window.Notification?.permission !== "denied")
    for (const choice of document.querySelectorAll("[data-needs-push]")) choice.hidden = false;

  // Tell the service worker the server's push subscription, which it compares with the browser's, and the number of unread
  // answers, which it shows on the app's icon.
  const tellWorker = ({ active }) => {
    const tabs = document.querySelector(".tabs"), unread = tabs ? parseInt(tabs.querySelector(".badge")?.textContent) || 0 : null;
    active?.postMessage({ subscription: document.body.dataset.push || "", unread });
  };
  addEventListener("load", () => {
    schedulePoll();
    navigator.serviceWorker?.register("/sw.js").then(tellWorker).catch(() => {});
  });
})();
