// Drags a title of a list to another place (templates/lists/order.html). The buttons of each title do the same and
// work by keyboard, so screen readers skip the handle. A drag changes the order on the
// page immediately. When the drag ends, the form is sent with the title that is now next to the dragged title.
(() => {
  const EDGE = 80, STEP = 12;  // in pixels: this close to the edge of the screen, the page scrolls by STEP
  let dragged, pointer, start, timer, undo;

  const addHandles = () => {
    const form = document.getElementById("order");
    for (const row of form?.querySelectorAll("li:not(:has(> .handle))") ?? []) {
      const handle = Object.assign(document.createElement("span"), { className: "handle", textContent: "⠿", title: form.dataset.drag });
      handle.setAttribute("aria-hidden", "true");
      row.append(handle);
    }
  };
  const place = y => {
    const others = [...dragged.parentElement.children].filter(row => row !== dragged);
    const next = others.find(row => { const box = row.getBoundingClientRect(); return y < box.top + box.height / 2; });
    if (dragged.nextElementSibling !== (next ?? null)) dragged.parentElement.insertBefore(dragged, next ?? null);
  };
  const scroll = () => {
    const bottom = document.querySelector(".dock")?.getBoundingClientRect().top ?? innerHeight;
    if (pointer < EDGE) scrollBy(0, -STEP);
    else if (pointer > Math.min(bottom, innerHeight) - EDGE) scrollBy(0, STEP);
    else return;
    place(pointer);
  };
  const end = isDone => {
    clearInterval(timer);
    const row = dragged, { nextElementSibling: next, previousElementSibling: previous } = row;
    dragged = null;
    row.classList.remove("dragged");
    if (!isDone) row.parentElement.insertBefore(row, start);
    else if (next !== start) send(row, next ? `before ${next.dataset.id}` : `after ${previous.dataset.id}`);
  };
  const send = (row, where) => {
    const list = row.parentElement, place = start;
    undo = () => list.insertBefore(row, place);
    const form = document.getElementById("order");
    const values = { move: `${row.dataset.id} ${where}`, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value };
    window.htmx.ajax("POST", form.getAttribute("hx-post"), { source: form, target: form, swap: "outerHTML", values }).catch(() => {});
  };

  document.addEventListener("pointerdown", event => {
    const row = event.target.closest?.(".handle")?.closest("li");
    if (!row || event.button || dragged) return;
    event.preventDefault();
    [dragged, pointer, start] = [row, event.clientY, row.nextElementSibling];
    event.target.setPointerCapture(event.pointerId);
    row.classList.add("dragged");
    timer = setInterval(scroll, 16);
  });
  document.addEventListener("pointermove", event => {
    if (!dragged) return;
    pointer = event.clientY;
    place(pointer);
  });
  document.addEventListener("pointerup", () => { if (dragged) end(true); });
  document.addEventListener("pointercancel", () => { if (dragged) end(false); });
  document.addEventListener("keydown", event => { if (dragged && event.key === "Escape") end(false); });
  // If the order couldn't be saved, show the old order again. app.js says that saving failed.
  for (const type of ["htmx:sendError", "htmx:responseError"]) document.addEventListener(type, () => { undo?.(); undo = null; });
  document.addEventListener("htmx:afterSettle", () => { undo = null; addHandles(); });
  addHandles();
})();
