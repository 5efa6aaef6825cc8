"""Replace what the headless shell of Chromium lacks: a push service, permission, and notifications.

The headless shell never lets a page show notifications, and it can't reach a push service. So these scripts
replace the parts of the browser that need the permission or the service. The service worker, its events and
its messages are real.
"""

import json

# The page and the service worker share this state: the subscription, and the shown notifications.
STATE = """
globalThis.fakePush = (() => {
  const open = new Promise((done, failed) => {
    const request = indexedDB.open("fake push", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("state");
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  const run = async (mode, work) => {
    const store = (await open).transaction("state", mode).objectStore("state"), request = work(store);
    return new Promise((done, failed) => { request.onsuccess = () => done(request.result); request.onerror = () => failed(request.error); });
  };
  const get = async (name, otherwise = null) => (await run("readonly", store => store.get(name))) ?? otherwise;
  const set = (name, value) => run("readwrite", store => store.put(value, name));
  const add = async (name, value) => set(name, [...await get(name, []), value]);
  const bytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0)).buffer;
  const subscription = found => found && {
    endpoint: found.endpoint,
    options: found.key ? { userVisibleOnly: true, applicationServerKey: bytes(found.key) } : null,
    toJSON: () => ({ endpoint: found.endpoint, expirationTime: null, keys: found.keys }),
    unsubscribe: async () => { await add("calls", "unsubscribe"); await set("subscription", null); return true; },
  };
  const pushManager = {
    getSubscription: async () => subscription(await get("subscription")),
    permissionState: async () => await get("permission", "prompt"),
    subscribe: async ({ userVisibleOnly, applicationServerKey }) => {
      const permission = await get("permission", "prompt"), [next, ...later] = await get("endpoints", []);
      await add("calls", "subscribe");
      if (!userVisibleOnly || permission !== "granted") throw new DOMException("not allowed", "NotAllowedError");
      if (!next) throw new DOMException("no push service", "AbortError");
      const found = await get("subscription");
      if (found && found.key !== applicationServerKey) throw new DOMException("other key", "InvalidStateError");
      if (!found) {
        await set("endpoints", later);
        await set("subscription", { ...next, key: applicationServerKey });
      }
      return pushManager.getSubscription();
    },
  };
  Object.defineProperty(ServiceWorkerRegistration.prototype, "pushManager", { get: () => pushManager });
  return { get, set, add };
})();
"""

PAGE = (
    STATE
    + """
(() => {
  if (location.protocol === "about:") return;
  const NAME = "fake permission", decide = permission => {
    localStorage.setItem(NAME, permission);
    return fakePush.set("permission", permission === "default" ? "prompt" : permission);
  };
  if (!localStorage.getItem(NAME)) decide(__PERMISSION__);
  // Tests wait until the page has told the service worker its state, which it does once it has registered the worker.
  const { register } = ServiceWorkerContainer.prototype;
  ServiceWorkerContainer.prototype.register = function (...script) {
    const registering = register.apply(this, script);
    registering.finally(() => setTimeout(() => { globalThis.hasToldWorker = true; })).catch(() => {});
    return registering;
  };
  Object.defineProperty(Notification, "permission", { get: () => localStorage.getItem(NAME) || "default" });
  Notification.requestPermission = async () => {
    await fakePush.add("calls", "ask");
    await decide(__ANSWER__);
    return __ANSWER__;
  };
})();
"""
)

WORKER = (
    STATE
    + """
ServiceWorkerRegistration.prototype.showNotification = async (title, options) => fakePush.add("shown", { title, ...options });
ServiceWorkerRegistration.prototype.getNotifications = async () => [{ close: () => fakePush.set("shown", []) }];
navigator.setAppBadge = count => fakePush.set("badge", count);
navigator.clearAppBadge = () => fakePush.set("badge", 0);
clients.openWindow = address => fakePush.add("opened", address);
WindowClient.prototype.focus = function () { return fakePush.add("focused", this.url); };
// The answer to a message with a port says that the messages before it have arrived.
addEventListener("message", event => event.ports[0]?.postMessage("arrived"));
const { waitUntil } = ExtendableEvent.prototype;
ExtendableEvent.prototype.waitUntil = function (work) {
  const count = async () => { if (this.type === "push") await fakePush.add("handled", true); };
  return waitUntil.call(this, Promise.resolve(work).finally(count));
};
"""
)


def page_script(*, permission="default", answer="granted"):
    """Return the script to run before the scripts of each page.

    `permission` is the browser's permission at the beginning. `answer` is what the person chooses when asked.
    """
    return PAGE.replace("__ANSWER__", json.dumps(answer)).replace("__PERMISSION__", json.dumps(permission))
