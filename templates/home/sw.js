// Caches only the offline page. Private pages are never stored in this browser.
const CACHE = "offline {{ version|escapejs }}", PAGE = "{% url "offline" %}";

addEventListener("install", event => event.waitUntil(caches.open(CACHE).then(cache => cache.add(PAGE)).then(() => skipWaiting())));

addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await registration.navigationPreload?.enable();
})()));

addEventListener("fetch", event => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  event.respondWith((async () => {
    try {
      return (await event.preloadResponse) || (await fetch(event.request));
    } catch {
      return (await caches.open(CACHE)).match(PAGE);
    }
  })());
});
