// Shows the button that prints the page. Without this file, the page says how to print.
(() => {
  const button = document.getElementById("print");
  if (!button || !window.print) return;
  button.hidden = false;
  document.getElementById("how-to-print").hidden = true;
  button.addEventListener("click", () => window.print());
})();
