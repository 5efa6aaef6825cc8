{% load i18n %}{% get_current_language as LANGUAGE_CODE %}{% get_current_language_bidi as LANGUAGE_BIDI %}{% icon_version library as version %}// Messages by push (docs/decisions/0027). A message never says what it is about. A browser ends the subscription after a
// few messages without a notification, so each message shows one, even if it can't be read.
// The block keeps these names apart from those of the other parts of the service worker.
{
  const HOME = "{% url "home" %}", HERE = "{% url "phone_here" %}", RENEW = "{% url "renew_phone" %}";
  const UNREADABLE = { title: "{{ library.name|escapejs }}", body: "{{ unreadable|escapejs }}" };

  const isCount = value => Number.isInteger(value) && value >= 0;
  const asText = (value, otherwise) => typeof value === "string" && value ? value : otherwise;
  // The cache has an entry with this name while the app's icon shows a number.
  const BADGE = "/badge";
  // Some browsers have no badge, and others refuse it while the app isn't installed.
  const showBadge = async count => {
    if (!isCount(count)) return;
    try { await (count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.()); } catch {}
    const cache = await caches.open(CACHE);
    await (count ? cache.put(BADGE, new Response()) : cache.delete(BADGE));
  };

  addEventListener("push", event => event.waitUntil((async () => {
    let message;
    try { message = event.data.json(); } catch {}
    const tag = asText(message?.tag, "");
    await registration.showNotification(asText(message?.title, UNREADABLE.title), {
      body: asText(message?.body, message ? "" : UNREADABLE.body),
      data: { url: asText(message?.url, HOME) },
      // A later message with the same tag replaces this one. The phone still tells the person about it.
      ...(tag && { tag, renotify: true }),
      icon: "{% url "app_icon" version "192" %}",
      lang: "{{ LANGUAGE_CODE }}",
      dir: "{% if LANGUAGE_BIDI %}rtl{% else %}ltr{% endif %}",
    });
    await showBadge(message?.badge);
  })()));

  addEventListener("notificationclick", event => {
    event.notification.close();
    event.waitUntil(openPage(event.notification.data?.url));
  });

  // Shows the page in the window that has it, or else in a new window. Only a page of the library is opened.
  const openPage = async address => {
    let url = new URL(HOME, location.origin);
    try { url = new URL(address, location.origin); } catch {}
    if (url.origin !== location.origin) url = new URL(HOME, location.origin);
    const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
    const shown = windows.find(window => window.url.split("#")[0] === url.href.split("#")[0]);
    return shown ? shown.focus() : clients.openWindow(url.href);
  };

  // Only one comparison of the two subscriptions runs at a time, so two open pages don't disturb each other.
  let turn = Promise.resolve();
  const inTurn = work => { turn = turn.then(work).catch(() => {}); return turn; };

  addEventListener("message", event => event.waitUntil(inTurn(async () => {
    const { subscription, unread } = event.data || {};
    if (typeof subscription !== "string") return;
    if (subscription) await showBadge(unread);
    // Without a subscription, nothing would ever change the number.
    else if (await (await caches.open(CACHE)).match(BADGE)) await showBadge(0);
    await agree(subscription);
  })));
  addEventListener("pushsubscriptionchange", event => event.waitUntil(inTurn(() => agree(null))));

  // Makes the browser and the server have the same subscription. `known` is the server's fingerprint, which the page
  // contains. The server is asked if there is no fingerprint, or if the browser has another subscription.
  const agree = async known => {
    const { pushManager } = registration;
    let own = await pushManager?.getSubscription();
    if (!pushManager || await fingerprint(own) === known) return;
    const response = await fetch(HERE);
    if (!response.ok || response.redirected) return;
    const { subscription, key, token, isDue } = await response.json();
    if (await fingerprint(own, key) === subscription && !isDue) return;
    if (!subscription) {
      // The subscription has ended: the person signed out or turned it off on another device, or the code ended.
      await own?.unsubscribe();
      for (const notification of await registration.getNotifications()) notification.close();
      return showBadge(0);
    }
    const isAllowed = await pushManager.permissionState({ userVisibleOnly: true }) === "granted";
    if (isAllowed && own && (keyOf(own) || key) !== key) {
      await own.unsubscribe();
      own = null;
    }
    if (isAllowed) own ||= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint = "", keys = {} } = isAllowed ? own.toJSON() : {};
    const body = new URLSearchParams({ endpoint, p256dh: keys.p256dh || "", auth: keys.auth || "" });
    await fetch(RENEW, { method: "POST", body, headers: { "X-CSRFToken": token } });
  };

  // Returns the key that was used for the subscription, or "" if the browser doesn't reveal the key.
  const keyOf = ({ options }) => {
    const bytes = new Uint8Array(options?.applicationServerKey || []);
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  // Computes the same hash as `fingerprint` on the server, of the library's key and the endpoint.
  const fingerprint = async (own, key = "") => {
    if (!own) return "";
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${keyOf(own) || key} ${own.endpoint}`));
    return [...new Uint8Array(hash).slice(0, 8)].map(byte => byte.toString(16).padStart(2, "0")).join("");
  };
}
