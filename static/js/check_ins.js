// Keyboard shortcuts for lists of check-ins: j and k go to the next and previous one, x checks the box of the current one.
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const control = row => row?.querySelector("[type=checkbox], a, button, summary");
  const isField = element => element.matches("input:not([type=checkbox]), select, textarea");

  document.addEventListener("keydown", event => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isField(event.target) || document.body.dataset.keys === "off") return;
    const list = rows(), current = list.indexOf(event.target.closest("[data-row]"));
    const step = { j: 1, k: -1 }[event.key];
    if (step && list.length) {
      event.preventDefault();
      const next = current < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(Math.max(current + step, 0), list.length - 1);
      control(list[next]).focus();
      list[next].scrollIntoView({ block: "nearest" });
    } else if (event.key === "x" && current >= 0) {
      list[current].querySelector("[type=checkbox]")?.click();
    }
  });
})();
