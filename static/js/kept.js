// Shared by pages and the service worker (docs/decisions/0024). Resolves with the database: `state` has the kept pages,
// `waiting` what was written offline.
const openKept = () => new Promise((resolve, reject) => {
  const opening = indexedDB.open("kept", 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("state");
    opening.result.createObjectStore("waiting", { keyPath: "token" });
  };
  opening.onsuccess = () => {
    opening.result.onversionchange = () => opening.result.close();
    resolve(opening.result);
  };
  opening.onerror = opening.onblocked = () => reject(opening.error);
});

// In a page: ask the service worker to keep the pages, if the person has chosen this.
if (self.document) {
  const canKeep = "serviceWorker" in navigator && "caches" in self && "locks" in navigator;
  for (const part of document.querySelectorAll("[data-can-keep]")) part.hidden = !canKeep;
  for (const part of document.querySelectorAll("[data-cannot-keep]")) part.hidden = canKeep;
  const keepPages = async () => (await navigator.serviceWorker.ready).active.postMessage("keep pages");
  if (canKeep && "keptDevice" in document.body.dataset) {
    for (const type of ["load", "online"]) addEventListener(type, keepPages);
  }

  // waiting.js is loaded after the page. A form that is sent earlier is delayed until then, except *Leave quickly*.
  const src = document.currentScript.dataset.script;
  let loading, isLoaded = !canKeep || !src;
  const load = onload => document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror: onload }));
  const loadWaiting = () => loading ??= new Promise(load).then(() => isLoaded = true);
  if (!isLoaded) addEventListener("load", () => setTimeout(loadWaiting, 300));
  document.addEventListener("submit", async event => {
    if (isLoaded || event.target.matches("[action='/leave/']")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    await loadWaiting();
    event.target.requestSubmit(event.submitter);
  }, true);
}
