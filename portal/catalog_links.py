"""The address at which an item can be found on the web."""

from urllib.parse import quote


def catalog_link(item, library):
    """Return the item's own link. If it has none, return its link in the library's catalog, or ""."""
    if item.url:
        return item.url if item.url.startswith(("https://", "http://")) else ""
    url = library.catalog_link if library else ""
    if not url.startswith("https://"):
        return ""
    values = {"{isbn}": item.isbn, "{title}": item.title, "{number}": item.source_key}
    has_values = all(value for placeholder, value in values.items() if placeholder in url)
    if not has_values:
        return ""
    for placeholder, value in values.items():
        url = url.replace(placeholder, quote(value, safe=""))
    return url
