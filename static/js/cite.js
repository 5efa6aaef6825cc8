// Copies a citation with its italics. If the browser can't, selects the text, so that people can copy it themselves.
(() => {
  const hint = document.getElementById("copy-hint");
  const announce = value => document.dispatchEvent(new CustomEvent("announce", { detail: { value } }));
  const textsIn = part => part.matches(".citation") ? [part] : [...part.querySelectorAll(".citation")];
  const select = part => {
    const field = part.id === "citations" && document.getElementById("all-citations");
    if (field) return field.select();
    const range = document.createRange();
    range.selectNodeContents(part);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copied = async part => {
    const citations = textsIn(part);
    const plain = citations.map(one => one.textContent.trim()).join("\n\n");
    const html = citations.map(one => `<p>${one.innerHTML.trim()}</p>`).join("");
    try {
      const types = { "text/plain": new Blob([plain], { type: "text/plain" }), "text/html": new Blob([html], { type: "text/html" }) };
      await navigator.clipboard.write([new ClipboardItem(types)]);
      return true;
    } catch {
      // Older browsers copy only plain text, and none has a clipboard on a page without https.
    }
    try {
      await navigator.clipboard.writeText(plain);
      return true;
    } catch {
      select(part);
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll("[data-copies]")) {
    const words = button.querySelector("span"), before = words.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copied(document.getElementById(button.dataset.copies));
      words.textContent = done ? hint.dataset.done : before;
      hint.textContent = done ? "" : hint.dataset.failed;
      announce(done ? hint.dataset.done : hint.dataset.failed);
    });
  }
})();
