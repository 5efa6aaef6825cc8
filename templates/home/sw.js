{% load static %}// Stores the offline page (docs/decisions/0023), and the pages of people who chose this (docs/decisions/0024). Keep these
// rules, because a browser may run this version with pages of a later or an earlier release:
// - Answer only navigations, and only with what the server sent. If the server can't be reached, answer with a kept page
//   or with the offline page. Answer requests for static files only if such a page sends them.
// - Take over at once, and delete the caches of all other versions. Only a change of KEPT is another version of the kept
//   pages.
importScripts("{% static "js/kept.js" %}");
const CACHE = "offline {{ version|escapejs }}", PAGE = "{% url "offline" %}";
const KEPT = "kept 1 ", LIST = "{% url "kept_pages" %}", STATIC = "{% get_static_prefix %}";
const ENDING = ["{% url "leave" %}", "{% url "sign_out" %}"];
// Whether a page of ours sends the form of *Leave quickly* or of *Sign out*. Another website can send it too, but the
// server refuses that. A form that removes only one visit has a query.
const isEnding = ({ method, mode, url, referrer }) => method === "POST" && mode === "navigate" &&
  ENDING.includes(url.slice(location.origin.length)) && referrer.startsWith(`${location.origin}/`);
// A page is fetched again after a day, even if it seems unchanged. A clock may be set back by SETTING without an end of
// the kept pages, because phones correct their clocks.
const DAY = 86400000, SETTING = 300000;  // milliseconds
const ANY = { ignoreVary: true };

addEventListener("install", event => event.waitUntil(caches.open(CACHE).then(cache => cache.add(PAGE)).then(() => skipWaiting())));

addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== CACHE && !name.startsWith(KEPT)) await caches.delete(name);
  await registration.navigationPreload?.enable();
})()));

const shown = new Set();  // the ids of open kept pages

addEventListener("fetch", event => {
  const { request } = event, { pathname } = new URL(request.url), isNavigation = request.mode === "navigate";
  if (isEnding(request)) return event.waitUntil(deleteKept());
  if (request.method !== "GET") return;
  if (isNavigation) event.respondWith(answer(event));
  else if (shown.has(event.clientId) && pathname.startsWith(STATIC)) {
    event.respondWith(caches.match(request, ANY).then(found => found || fetch(request)));
  }
});

const answer = async event => {
  let response;
  try {
    response = (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    // If the browser has deleted the offline page, it shows its own.
    const kept = await keptPage(event).catch(() => {});
    if (kept) return kept;
    shown.add(event.resultingClientId);  // the offline page shows what waits on this phone, with the scripts of kept pages
    return (await (await caches.open(CACHE)).match(PAGE)) || Response.error();
  }
  event.waitUntil(compareDevice(response));
  return response;
};

// Kept pages. The name of their cache has the public id of the KeptDevice. In the database, the state is {device: that
// id, at: the server's time at the last contact, clock: the phone's time then, seen: the phone's latest time, keepsFor:
// milliseconds, pages: {path: {version, ends, kept}}}. `ends` and `kept` are times of the server.

let deletions = 0;  // a list or a page that was requested before a deletion isn't used after it

const keptCaches = async () => (await caches.keys()).filter(name => name.startsWith(KEPT));

// Deletes the kept pages of all devices, or of all but one. Resolves with how often pages have been deleted.
const deleteKept = async (except = "") => {
  const names = (await keptCaches()).filter(name => name !== except);
  if (!names.length) return deletions;
  const count = ++deletions;
  for (const name of names) await caches.delete(name);
  await changeState(state => (state && KEPT + state.device === except ? state : undefined));
  return count;
};

// The server names the device in each page. If it names none, or another one, the person has signed out, has ended the
// choice, or is another person.
const compareDevice = async response => {
  if (!response.ok || !response.headers.get("Content-Type")?.startsWith("text/html")) return;
  await deleteKept(KEPT + response.headers.get("X-Kept-Device"));
};

// Returns the kept page for a navigation that failed, or undefined. First deletes the pages that have ended.
const keptPage = async event => {
  const { pathname, search } = new URL(event.request.url), clock = Date.now();
  let state = (await keptCaches()).length && (await changeState(state => state));
  if (!state) return;
  const time = state.at + clock - state.clock;  // the server's time
  if (clock < state.seen - SETTING || time >= state.at + state.keepsFor) return void (await deleteKept());
  const cache = await caches.open(KEPT + state.device);
  state = await changeState(state => {
    if (!state) return;
    for (const [path, { ends }] of Object.entries(state.pages)) if (ends && time >= ends) delete state.pages[path];
    return { ...state, seen: Math.max(state.seen, clock) };
  });
  await deleteUnlisted(cache, state);
  const page = state?.pages[pathname + search] && (await cache.match(pathname + search, ANY));
  if (page) shown.add(event.resultingClientId);
  return page;
};

const deleteUnlisted = async (cache, state) => {
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(STATIC) && !state?.pages[pathname]) await cache.delete(request);
  }
};

// Asks the server which pages this browser may keep, deletes the others, and fetches those that are new or have changed.
const keepPages = () => navigator.locks.request("kept pages", async () => {
  const before = deletions;
  const response = await fetch(LIST, { cache: "no-store", redirect: "error" });
  if (!response.ok) return;
  const { device, now, keeps_for: keepsFor, pages } = await response.json(), name = KEPT + device, clock = Date.now();
  if (!device) return deleteKept();
  if (deletions !== before) return;
  const began = await deleteKept(name), cache = await caches.open(name), listed = new Map(pages.map(page => [page.path, page]));
  if (deletions !== began) return;
  const { pages: kept } = await changeState(state => {
    const kept = {};
    for (const [path, page] of Object.entries(state?.device === device ? state.pages : {})) {
      const { version, ends } = listed.get(path) || {};
      if (version === page.version) kept[path] = { ...page, ends };
    }
    return { device, at: now, clock, seen: clock, keepsFor, pages: kept };
  });
  await deleteUnlisted(cache, { pages: kept });
  const files = new Set();
  for (const { path, version, ends } of pages) {
    let page = kept[path] && (await cache.match(path, ANY));
    if (!page || now - kept[path].kept > DAY) {
      page = await fetch(path, { headers: { "X-Keeps-Page": "1" }, cache: "no-store", redirect: "manual" });
      if (deletions !== began) return;
      if (!page.ok || page.headers.get("X-Kept-Device") !== device) { await cache.delete(path, ANY); continue; }
      await cache.put(path, page.clone());
      const entry = { [path]: { version, ends, kept: now } };
      await changeState(state => (state?.device === device ? { ...state, pages: { ...state.pages, ...entry } } : state));
    }
    for (const [, url] of (await page.text()).matchAll(/ (?:src|data-script)="([^"]+)"/g)) if (url.startsWith(STATIC)) files.add(url);
  }
  for (const url of files) if (!(await cache.match(url, ANY))) await cache.add(url);
  for (const request of await cache.keys()) {
    const { pathname, search } = new URL(request.url);
    if (pathname.startsWith(STATIC) && !files.has(pathname + search)) await cache.delete(request);
  }
});

// Calls `change` with the state and stores the result. Undefined deletes the state. Returns a promise of the result.
const changeState = async change => {
  const database = await openKept();
  try {
    return await new Promise((resolve, reject) => {
      const writing = database.transaction("state", "readwrite"), store = writing.objectStore("state"), reading = store.get("kept");
      let state;
      reading.onsuccess = () => {
        state = change(reading.result);
        if (state) store.put(state, "kept");
        else store.delete("kept");
      };
      writing.oncomplete = () => resolve(state);
      writing.onerror = writing.onabort = () => reject(writing.error);
    });
  } finally {
    database.close();
  }
};

addEventListener("message", event => { if (event.data === "keep pages") event.waitUntil(keepPages().catch(() => {})); });
{% include "home/waiting_sw.js" %}
{% include "home/push_sw.js" %}
