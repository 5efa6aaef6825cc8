// Turns messages on in this browser when the person presses the button. Each part with data-when is shown in the state
// that the attribute names.
(() => {
  const form = document.getElementById("turn-on"), { userAgent, maxTouchPoints } = navigator;
  if (!form) return;
  // An iPad can call itself a Macintosh, and no Macintosh has a touch screen.
  const isApple = /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
  const isInstalled = navigator.standalone || matchMedia("(display-mode: standalone)").matches;
  const canReceive = navigator.serviceWorker && "PushManager" in window && "Notification" in window;

  const state = () => {
    if (!canReceive) return isApple && !isInstalled ? "ios" : "unsupported";
    return Notification.permission === "denied" ? "denied" : "ready";
  };
  const show = (now, { aloud } = {}) => {
    document.getElementById("before").hidden = ["ios", "unsupported", "denied"].includes(now);
    for (const part of document.querySelectorAll("[data-when]")) {
      part.hidden = part.dataset.when !== now;
      if (aloud && !part.hidden) document.dispatchEvent(new CustomEvent("announce", { detail: { value: part.textContent.trim() } }));
    }
    dispatchEvent(new Event("resize"));  // app.js looks for buttons that the tab bar cuts
  };

  const subscribe = async ({ pushManager }) => {
    const wanted = { userVisibleOnly: true, applicationServerKey: form.dataset.key };
    try {
      return await pushManager.subscribe(wanted);
    } catch (error) {
      // The browser still has a subscription from before the library changed its key.
      const old = error.name === "InvalidStateError" && await pushManager.getSubscription();
      if (!old) throw error;
      await old.unsubscribe();
      return pushManager.subscribe(wanted);
    }
  };
  // Register first. If the registration fails, waiting for `ready` would never end.
  const worker = () => navigator.serviceWorker.register("/sw.js").then(() => navigator.serviceWorker.ready);
  // Returns the new state, or "sent" if the form was sent.
  const turnOn = async () => {
    const permission = await Notification.requestPermission();
    if (permission !== "granted") return permission === "denied" ? "denied" : "dismissed";
    const { endpoint, keys } = (await subscribe(await worker())).toJSON();
    for (const [name, value] of Object.entries({ endpoint, ...keys })) if (form.elements[name]) form.elements[name].value = value;
    form.submit();
    return "sent";
  };

  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    const tell = type => event.submitter?.dispatchEvent(new Event(type, { bubbles: true }));
    tell("busy");
    const now = await turnOn().catch(() => "failed");
    if (now === "sent") return;
    tell("ready");
    delete form.dataset.asking;
    show(now, { aloud: true });
  });
  // The person may allow messages in the browser's settings while this page is open.
  navigator.permissions?.query({ name: "notifications" }).then(permission => {
    permission.addEventListener("change", () => { if (!form.dataset.asking) show(state()); });
  }, () => {});
  show(state());
  // The element couldn't get the focus while it was hidden.
  document.getElementById("error-summary")?.focus();
})();
