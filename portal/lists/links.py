"""Make, change and end the links to a list, and find the link that a URL belongs to.

The links with which staff share items are made in staff_links.py. Their addresses look the same. The database
stores the token of a link in two forms. The encrypted token lets the patron see the address again. Requests
find the link by the HMAC of the token.
"""

from datetime import datetime, time, timedelta

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse

from accounts import audit
from accounts.models import Library
from portal import keys
from portal.deadlines import compares_deadlines

from .locks import lock_lists
from .models import MAX_LINKS, ListLink, SavedList, StaffLink

PURPOSE = "list link"
# A link ends after one of these numbers of days. The patron chooses which.
DAYS = (7, 30, 90, 365)
DEFAULT_DAYS = 90
# Ended links are kept for this time, so that the patron can see when they ended.
ENDED_KEPT_FOR = timedelta(days=7)


class TooManyLinks(Exception):
    """The patron or staff member has as many working links as one person can have."""


class NotAllowed(Exception):
    """The patron is a child, and the library doesn't allow children to share lists."""


class LinkEnded(Exception):
    """The link has ended, so it can't be changed."""


def may_share(person, library):
    """Return whether this person may make links to their lists."""
    return not person.is_child or library.children_may_share_lists


def end_of(days, at):
    """Return the end of the day that is `days` days after `at`, in the library's time zone."""
    library = Library.current()
    day = library.today(at) + timedelta(days=days + 1)
    return datetime.combine(day, time.min, tzinfo=library.zone)


@compares_deadlines
@transaction.atomic
def make_link(saved_list, *, with_notes, name="", days=DEFAULT_DAYS, client_token=None, at, now):
    """Make a link to the list, and return it.

    If the form with this `client_token` has made a link already, return that link, unless it has ended.

    Raises TooManyLinks and NotAllowed. Raises SavedList.DoesNotExist if the patron has removed the list.
    """
    lock_lists(saved_list.patron)
    own = SavedList.objects.of_patron(saved_list.patron)
    saved_list = own.select_related("patron").get(pk=saved_list.pk)
    patron = saved_list.patron
    if not may_share(patron, Library.current()):
        raise NotAllowed
    if client_token and (made := _made_by_form(saved_list, client_token, now())):
        return made
    if working_links(patron, now()).count() >= MAX_LINKS:
        raise TooManyLinks
    link = ListLink.objects.create(
        saved_list=saved_list,
        **new_token_columns(),
        client_token=client_token,
        with_notes=with_notes,
        name="" if patron.is_child else name,
        made_at=at,
        ends_at=end_of(days, at),
    )
    audit.record("made_list_link", link, by=patron, patron=patron, at=at)
    return link


def new_token_columns():
    """Return the values of the two columns that contain the token of a new link."""
    token = keys.new_token()
    return {
        "token_hmac": keys.fingerprint(PURPOSE, token),
        "token_sealed": keys.seal(PURPOSE).encrypt(token.encode()).decode(),
    }


def _made_by_form(saved_list, client_token, at):
    """Return the working link that the form with this token has made, or None.

    The caller locks the patron's lists, so the second request of a double tap waits for the first.
    """
    return ListLink.objects.working(at).filter(saved_list=saved_list, client_token=client_token).first()


@compares_deadlines
@transaction.atomic
def change_end(link, *, days, at, now):
    """Let the link end after this number of days, counted from today. Raises LinkEnded."""
    patron = link.saved_list.patron
    lock_lists(patron)
    ends_at = end_of(days, at)
    if not ListLink.objects.working(now()).filter(pk=link.pk).update(ends_at=ends_at):
        raise LinkEnded
    link.ends_at = ends_at
    audit.record("changed_list_link", link, by=patron, patron=patron, at=at)


@transaction.atomic
def end_link(link, *, at):
    """End the link for good. Nobody can open its address anymore, and its token is deleted."""
    patron = link.saved_list.patron
    lock_lists(patron)
    ended = ListLink.objects.filter(pk=link.pk, ended_at=None).update(
        ended_at=at, token_hmac=None, token_sealed=""
    )
    if ended:
        audit.record("ended_list_link", link, by=patron, patron=patron, at=at)


def working_links(patron, at):
    """Return the working links of this person's lists."""
    return ListLink.objects.working(at).filter(saved_list__patron=patron, saved_list__removed_at=None)


def shows_notes(saved_list, at):
    """Return whether a working link shows the notes in this list to visitors."""
    return ListLink.objects.working(at).filter(saved_list=saved_list, with_notes=True).exists()


def add_shows_notes(lists, at):
    """Annotate each list with `shows_notes`, the result that the function `shows_notes` would return."""
    links = ListLink.objects.working(at).filter(saved_list=OuterRef("pk"), with_notes=True)
    return lists.annotate(shows_notes=Exists(links))


def address_of(link):
    """Return the full URL of the link, or "" if the link has ended or its token can't be decrypted."""
    if not link.token_sealed:
        return ""
    try:
        token = keys.seal(PURPOSE).decrypt(link.token_sealed).decode()
    except InvalidToken:
        # The key that encrypted the token is no longer among the server's keys.
        return ""
    return settings.BASE_URL + reverse("shared_list", args=[token])


def address_for_paper(saved_list, *, at, library):
    """Return the full URL of a link that shows this list to visitors, or "" if there is none.

    Prefer a link that shows no notes and no name, because anybody can find the paper. Then prefer the newest.
    """
    rows = ListLink.objects.open_to_visitors(at, of_children=library.children_may_share_lists)
    link = rows.filter(saved_list=saved_list).order_by("with_notes", "name", "-made_at", "-pk").first()
    return address_of(link) if link else ""


def find(text, *, at, library):
    """Return the link with this token if it shows titles to visitors at the time `at`, or None.

    The link is a ListLink or a StaffLink. `text` is the part of the URL that contains the token. If no
    link is found, exactly two queries run, whatever the reason.
    """
    hmacs = keys.fingerprints(PURPOSE, keys.token_in(text))
    links = ListLink.objects.open_to_visitors(at, of_children=library.children_may_share_lists)
    link = links.filter(token_hmac__in=hmacs).select_related("saved_list__patron").first()
    return link or StaffLink.objects.working(at).filter(token_hmac__in=hmacs).first()


def seal_links_anew(*, at):
    """Encrypt and hash the tokens of all links again, with the current key. The worker calls this function.

    If SECRET_KEY_FALLBACKS lists no old keys, do nothing.
    """
    if not settings.SECRET_KEY_FALLBACKS:
        return
    seal = keys.seal(PURPOSE)
    for model in (ListLink, StaffLink):
        with_token = model.objects.exclude(token_sealed="")
        for pk in with_token.values_list("pk", flat=True):
            with transaction.atomic():
                for link in with_token.select_for_update().filter(pk=pk):
                    _seal_anew(link, seal)


def _seal_anew(link, seal):
    try:
        token = seal.decrypt(link.token_sealed).decode()
    except InvalidToken:
        return
    link.token_sealed = seal.encrypt(token.encode()).decode()
    link.token_hmac = keys.fingerprint(PURPOSE, token)
    link.save(update_fields=["token_sealed", "token_hmac"])
