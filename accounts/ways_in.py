"""The ways into a library account that there are here."""

from .ils.configured import library_ils
from .single_sign_on import sign_on_name


def other_ways():
    """For a page that asks for an address: what else there is, as accounts/other_ways.html takes it."""
    return {"has_cards": library_ils() is not None, "sign_on": sign_on_name()}
