"""Check pages against the bars, which are the limits that docs/testing.md explains."""

import gzip

from axe_playwright_python.base import AXE_SCRIPT as AXE

from portal.static_files import as_collected
from tests.extent import LONG

# Limits for each page: gzipped bytes that block the first paint, all gzipped bytes, and number of requests.
FIRST_PAINT, FIRST_VIEW, REQUESTS = 10_000, 35 * 1024, 8
NARROW = {"width": 320, "height": 640}

# Return the addresses that the page requested after its load event.
LATER = """() => {
    const [{ loadEventStart }] = performance.getEntriesByType('navigation');
    return performance.getEntriesByType('resource').filter(entry => entry.startTime >= loadEventStart).map(entry => entry.name);
}"""
# Return whether the pictures in view are loaded. Before the first touch, a page loads at most two of them.
HAS_PICTURES = """() => {
    const places = [...document.querySelectorAll('a.late')].filter(place => {
        const { top, bottom } = place.getBoundingClientRect();
        return place.checkVisibility() && bottom > 0 && top < innerHeight;
    });
    const pictures = places.flatMap(place => [...place.querySelectorAll('img')]);
    return pictures.length >= Math.min(2, places.length) && pictures.every(picture => picture.complete);
}"""
BLOCKING = """[...document.querySelectorAll('link[rel=stylesheet], script[src]:not([defer]):not([async])')].map(e => e.href || e.src)"""

# Find links, buttons and fields under 44 px. Links inside a sentence are exempt. If a link's ::after covers
# its row, the row is measured. If a label surrounds a field, the label is measured.
SMALL_TARGETS = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter(e => {
    const covers = getComputedStyle(e, '::after').position === 'absolute';
    const target = covers ? e.closest('li, article') : e.closest('label') || e;
    const { width, height } = target.getBoundingClientRect();
    const inline = e.matches('a') && getComputedStyle(e).display === 'inline' && e.parentElement.textContent.trim() !== e.textContent.trim();
    return e.checkVisibility() && width > 1 && height > 1 && !e.matches('.skip, .visually-hidden') && !inline && (width < 43.5 || height < 43.5);
}).map(e => `${e.outerHTML.slice(0, 90)} ${Math.round(e.getBoundingClientRect().width)}x${Math.round(e.getBoundingClientRect().height)}`)"""

# Find elements that reach beyond the right edge of the page, and elements that cut off their own text.
OVERFLOW = """() => {
    const page = document.scrollingElement, tooWide = page.scrollWidth - page.clientWidth;
    const cut = [...document.querySelectorAll('main *, header *, footer *')].filter(e => {
        const style = getComputedStyle(e);
        const hides = style.overflowX !== 'visible' && style.overflowX !== 'auto' && style.overflowX !== 'scroll';
        return hides && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && e.textContent.trim()
            && !e.matches('svg *, textarea, input, select, .cover *');
    });
    const out = tooWide > 0 ? [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > page.clientWidth + 1) : [];
    return [...(tooWide > 0 ? [`${tooWide}px too wide`] : []), ...[...out.slice(-2), ...cut].map(e => e.outerHTML.slice(0, 120))];
}"""

# Average widths of a letter, in percent of the font size. NARROW_FONT is a little narrower than Roboto
# Condensed, and WIDE_FONT a little wider than Verdana. The script FONT spaces the letters of the installed font
# so that they have such a width on average.
NARROW_FONT, WIDE_FONT = 38, 56
FONT = """average => {
    window.bars ||= (() => {
        const sheet = new CSSStyleSheet(), letters = 'the quick brown fox jumps over the lazy dog', brush = document.createElement('canvas').getContext('2d');
        document.adoptedStyleSheets.push(sheet);
        brush.font = `100px ${getComputedStyle(document.body).fontFamily}`;
        return { sheet, width: brush.measureText(letters).width / letters.length };
    })();
    window.bars.sheet.replaceSync(average ? `* { letter-spacing: ${(average - window.bars.width) / 100}em !important; }` : '');
}"""

# Find elements that are covered while they have the focus, for example by a bar at the edge of the screen.
HIDDEN_FOCUS = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter(e => {
    if (!e.checkVisibility() || e.matches('.visually-hidden')) return false;
    e.focus();
    const box = (e.closest('label') || e).getClientRects()[0];
    if (document.activeElement !== e || !box) return false;
    const seen = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 40));
    return !seen || !(e.contains(seen) || seen.contains(e) || seen.closest('label')?.contains(e));
}).map(e => e.outerHTML.slice(0, 90))"""

# Check the contrast of text. Skip an element if an element with the same classes, colors and fonts has
# already passed in this tab. If axe can't decide about an element, the element doesn't pass.
CONTRAST = """async () => {
    const judged = new Set(JSON.parse(sessionStorage.getItem('judged'))), places = new Map();
    const style = e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor, s.backgroundImage, s.opacity, s.fontSize, s.fontWeight]; };
    for (const e of document.querySelectorAll('body *')) {
        const text = e.matches('input, select, textarea') || [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!text || !e.checkVisibility()) continue;
        let place = '';
        for (let at = e; at; at = at.parentElement) place += `${at.localName} ${at.className} ${style(at)}\n`;
        if (!judged.has(place)) places.set(e, place);
    }
    if (!places.size) return [];
    const options = { runOnly: ['color-contrast'], resultTypes: ['violations', 'passes'], elementRef: true };
    const { violations, passes } = await axe.run({ include: [...new Map([...places].map(([e, place]) => [place, e])).values()] }, options);
    for (const { element } of passes.flatMap(rule => rule.nodes)) if (places.has(element)) judged.add(places.get(element));
    sessionStorage.setItem('judged', JSON.stringify([...judged]));
    return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) }));
}"""

# Find the buttons that are filled with the accent color. A page has at most one such button, for its main
# action.
FILLED = """() => {
    const example = document.body.appendChild(Object.assign(document.createElement('b'), { className: 'button' }));
    const accent = getComputedStyle(example).backgroundColor;
    example.remove();
    return [...document.querySelectorAll('a, button, input, summary')]
        .filter(e => e.checkVisibility() && getComputedStyle(e).backgroundColor === accent)
        .map(e => e.outerHTML.slice(0, 90));
}"""

# Find buttons, links and fields that are only partly hidden by the bar at the bottom and by the strip above it.
# app.js makes the strip high enough to hide such an element completely, so wait for the strip first.
CUT_TARGETS = """async () => {
    const dock = document.querySelector('.dock');
    if (!dock || getComputedStyle(dock).position !== 'sticky') return [];
    const cut = () => {
        const top = dock.getBoundingClientRect().top - parseFloat(dock.style.getPropertyValue('--hides') || 0);
        return [...document.querySelectorAll('main :is(a[href], button, input:not([type=hidden]), select, textarea, summary)')].filter(e => {
            const covers = getComputedStyle(e, '::after').position === 'absolute';
            const box = ((covers && e.closest('li')) || e.closest('label') || e).getBoundingClientRect();
            return e.checkVisibility() && !e.matches('.visually-hidden') && box.top < top - 1 && box.bottom > top + 1 && box.height < 96;
        }).map(e => e.outerHTML.slice(0, 90));
    };
    let found;
    for (let turn = 0; turn < 20 && (!turn || found.length); turn++) {
        await new Promise(done => setTimeout(done, 250));
        found = cut();
    }
    return found;
}"""


def filled(page):
    """Return a list with one line about the filled buttons, or [] if the page has at most one of them."""
    found = page.evaluate(FILLED)
    return [f"{len(found)} filled buttons: {', '.join(found)}"] if len(found) > 1 else []


# Find elements that a page contains only if it wrongly inserts typed text as HTML.
MADE_FROM_TEXT = """[...document.querySelectorAll(
  'img:not([src^="/messages/"], [src^="/covers/"], [src^="/shared/"], [src^="/desk/conversations/"]), main script, iframe, object, [onerror], a[href^="javascript:" i]'
)].map(e => e.outerHTML.slice(0, 120))"""


def weigh(page, path):
    """Open the page and return (bytes that block the first paint, all bytes, number of requests).

    The pictures of messages count too, if they are in view. They are loaded after the page.
    """
    answers = []

    def hear(answer):
        # Ignore responses to requests of the previous page.
        if answer.request.method == "GET" and (answers or answer.request.is_navigation_request()):
            answers.append(answer)

    page.on("response", hear)
    page.goto(path, wait_until="load")
    page.wait_for_function(HAS_PICTURES)
    page.remove_listener("response", hear)
    # On a busy machine, responses to requests that began after the load event can have arrived already.
    later = {address for address in page.evaluate(LATER) if not {"files", "covers"} & set(address.split("/"))}
    answers = [
        answer for answer in answers if answer.request.is_navigation_request() or answer.url not in later
    ]
    blocking = set(page.evaluate(BLOCKING))
    sizes = {answer.url: size(answer) for answer in answers if answer.status != 302}
    first = sum(size for url, size in sizes.items() if url in blocking) + sizes[page.url.partition("#")[0]]
    return first, sum(sizes.values()), len(answers)


def size(answer):
    """Return the size of the gzipped response in bytes, as in production, where static files are smaller."""
    name = answer.url.partition("/static/")[2]
    return len(gzip.compress(as_collected(name, answer.body()), 6))


def problems(page):
    """Return a line for each problem of the current page.

    axe runs only in `make test-long`. So a test that calls this function has the marker `long`.
    """
    page.wait_for_load_state()
    found = []
    if LONG:
        found += [f"axe: {said}" for said in violations(page)]
        page.emulate_media(color_scheme="dark")
        found += [f"axe in the dark: {said}" for said in contrast(page)]
        page.emulate_media(color_scheme="light")
    found += [f"hidden focus: {said}" for said in page.evaluate(HIDDEN_FOCUS)]
    return found + sizes(page)


def violations(page):
    """Return what axe reports for the current page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
    return told(page.evaluate("async options => (await axe.run(options)).violations", options)) + contrast(
        page
    )


def contrast(page):
    """Return the elements whose text has too little contrast."""
    return told(page.evaluate(CONTRAST))


def told(found):
    return [
        f"{violation['id']} {node['html'][:120]} {node['failureSummary'][:200]}"
        for violation in found
        for node in violation["nodes"]
    ]


def sizes(page, *, narrower=True):
    """Return buttons and links that are too small, and elements that overflow, in a narrow and a wide font.

    If `narrower` is false, look for overflow only at the current width. Only `make test-long` looks for
    overflow in the narrow font, because text in the wide font overflows more often. Don't reload the page
    between measurements, because reloading would take ten times as long.
    """
    found = []
    for font, width in (("narrow", NARROW_FONT), ("wide", WIDE_FONT)):
        page.evaluate(FONT, width)
        found += [f"small, {font} font: {said}" for said in page.evaluate(SMALL_TARGETS)]
        if font == "wide" or LONG:
            cut = overflows(page) if narrower else page.evaluate(OVERFLOW)
            found += [f"{font} font, {said}" for said in cut]
    page.evaluate(FONT, None)
    return found


def overflows(page):
    """Return what overflows at the current width, at 320 px, and with text at 200%."""
    size = page.viewport_size
    found = [f"at {size['width']} px: {said}" for said in page.evaluate(OVERFLOW)]
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    found += [f"at 200%: {said}" for said in page.evaluate(OVERFLOW)]
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.set_viewport_size(NARROW)
    found += [f"at 320 px: {said}" for said in page.evaluate(OVERFLOW)]
    page.set_viewport_size(size)
    return found
