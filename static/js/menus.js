// Menus of the desk: the panels of a conversation's toolbar, the menus below the queue, and the chips. Each is a <details>
// element, so it also opens without this file. Opening a menu moves the focus into it, and Tab stays inside. Escape closes
// the menu and moves the focus back to its button. A click elsewhere closes it too.
(() => {
  const MENU = ":is(.handling > details, .menu, .chip)";
  const CONTROL = "a[href], button, input:not([type=hidden]), select, textarea";
  const openMenus = () => document.querySelectorAll(`${MENU}[open]`);
  const controlsIn = menu => [...menu.querySelectorAll(CONTROL)].filter(control => !control.disabled && control.checkVisibility());
  const enter = menu => controlsIn(menu)[0]?.focus();

  // "toggle" does not bubble, so this listener captures it.
  document.addEventListener("toggle", event => {
    const menu = event.target;
    if (!menu.matches(MENU) || !menu.open) return;
    for (const other of openMenus()) if (other !== menu) other.open = false;
    if (!controlsIn(menu).includes(document.activeElement)) enter(menu);
  }, true);

  document.addEventListener("keydown", event => {
    const menu = event.target.closest?.(`${MENU}[open]`) || (event.key === "Escape" && openMenus()[0]);
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.preventDefault();
      event.stopPropagation();
    } else if (event.key === "Tab") {
      const controls = controlsIn(menu), first = controls[0], last = controls.at(-1);
      if (event.target !== (event.shiftKey ? first : last)) return;
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  });

  // While the mouse button is down, no menu closes. Otherwise the page could move, and the click would miss its target.
  let isPressed = false;
  for (const type of ["pointerdown", "click", "keydown"]) addEventListener(type, () => { isPressed = type === "pointerdown"; }, true);
  const closeOthers = event => {
    for (const menu of openMenus()) if (!menu.contains(event.target) && event.target.isConnected) menu.open = false;
  };
  document.addEventListener("click", closeOthers);
  document.addEventListener("focusin", event => { if (!isPressed) closeOthers(event); });

  // The content of a menu that was loaded after the menu opened replaces the focused link.
  document.addEventListener("htmx:afterSettle", event => {
    const menu = event.target.closest?.(`${MENU}[open]`);
    if (menu && !menu.contains(document.activeElement)) enter(menu);
  });
})();
