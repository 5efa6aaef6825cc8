// Makes the printed page as long as the receipt. Without this file, the page has the length that the server estimated,
// and ends with a blank part.
(() => {
  const paper = document.querySelector(".paper.receipt");
  const [page] = document.getElementById("receipt-page").sheet.cssRules;
  const fit = () => {
    const millimeters = paper.getBoundingClientRect().height * 25.4 / 96;
    page.style.setProperty("size", `80mm ${Math.ceil(millimeters) + 2}mm`);
  };
  fit();
  new ResizeObserver(fit).observe(paper);
  addEventListener("beforeprint", fit);
})();
