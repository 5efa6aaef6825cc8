// Shares or copies the text of the page. If the browser can't share, people can copy the text or open it as an email.
(() => {
  const byId = id => document.getElementById(id), text = byId("shared-text"), share = byId("share"), copy = byId("copy"), email = byId("email-text");
  const announce = value => document.dispatchEvent(new CustomEvent("announce", { detail: { value } }));
  const say = words => {
    copy.querySelector("span").textContent = words;
    announce(words);
  };
  // Browsers have no clipboard on a page without https.
  const copied = async () => {
    try {
      await navigator.clipboard.writeText(text.value);
      return true;
    } catch {
      text.select();
      return document.execCommand("copy");
    }
  };

  share.hidden = !navigator.share;
  copy.hidden = false;
  share.addEventListener("click", () => {
    // The promise fails if the person closes the menu, or if the menu is already open.
    navigator.share({ text: text.value }).catch(() => {});
  });
  copy.addEventListener("click", async () => say(await copied() ? copy.dataset.done : copy.dataset.failed));
  text.addEventListener("input", () => { email.href = `mailto:?body=${encodeURIComponent(text.value)}`; });
})();
