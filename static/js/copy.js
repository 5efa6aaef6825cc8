// Copies a text, or shares it on phones. If the browser can't copy, selects the text, so that people can copy it.
(() => {
  const byId = id => document.getElementById(id);
  const announce = value => document.dispatchEvent(new CustomEvent("announce", { detail: { value } }));
  const selectPart = part => {
    const range = document.createRange();
    range.selectNodeContents(part);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  // Returns whether the text was copied. With `html`, programs that read HTML get this instead of the plain text.
  const copied = async (plain, html, select) => {
    const types = { "text/plain": new Blob([plain], { type: "text/plain" }), "text/html": new Blob([html], { type: "text/html" }) };
    try {
      if (html) {
        await navigator.clipboard.write([new ClipboardItem(types)]);
        return true;
      }
    } catch {
      // Older browsers copy only plain text.
    }
    try {
      await navigator.clipboard.writeText(plain);
      return true;
    } catch {
      // Browsers have no clipboard on a page without https.
      select();
      return document.execCommand("copy");
    }
  };

  // Citations, with their italics.
  const hint = byId("copy-hint");
  const copyCitations = part => {
    const citations = part.matches(".citation") ? [part] : [...part.querySelectorAll(".citation")];
    const plain = citations.map(one => one.textContent.trim()).join("\n\n");
    const html = citations.map(one => `<p>${one.innerHTML.trim()}</p>`).join("");
    const all = part.id === "citations" && byId("all-citations");
    return copied(plain, html, () => all ? all.select() : selectPart(part));
  };
  for (const button of document.querySelectorAll("[data-copies]")) {
    const words = button.querySelector("span"), before = words.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copyCitations(byId(button.dataset.copies));
      words.textContent = done ? hint.dataset.done : before;
      hint.textContent = done ? "" : hint.dataset.failed;
      announce(done ? hint.dataset.done : hint.dataset.failed);
    });
  }

  // A text to share, such as the address of a link. People can also open it as an email.
  const text = byId("shared-text"), share = byId("share"), copy = byId("copy"), email = byId("email-text");
  if (!text) return;
  share.hidden = !navigator.share;
  copy.hidden = false;
  share.addEventListener("click", () => {
    // The promise fails if the person closes the menu, or if the menu is already open.
    navigator.share({ text: text.value }).catch(() => {});
  });
  copy.addEventListener("click", async () => {
    const done = await copied(text.value, "", () => text.select());
    copy.querySelector("span").textContent = done ? copy.dataset.done : copy.dataset.failed;
    announce(copy.querySelector("span").textContent);
  });
  text.addEventListener("input", () => { email.href = `mailto:?body=${encodeURIComponent(text.value)}`; });
})();
