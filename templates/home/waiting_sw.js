{% load static %}
importScripts("{% static "js/waiting.js" %}");
// Deletes the waiting forms when the person signs out or leaves quickly. Before the sign-out, waiting.js asks what to
// do with them.
addEventListener("fetch", event => {
  if (isEnding(event.request)) event.waitUntil(changeWaiting(store => store.clear()).then(() => waitingChannel.postMessage("ended")));
});
// With Background Sync, the browser wakes this worker when there is a connection, even if no page is open.
addEventListener("sync", event => {
  if (event.tag !== "waiting") return;
  event.waitUntil(sendWaiting().then(async ({ state }) => {
    if (state === "later") throw new Error("The browser tries it again later.");
    await keepPages().catch(() => {});  // what was sent belongs to them
  }));
});
