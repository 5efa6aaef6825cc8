"""Change the text of check-ins, and approve check-ins before they are sent."""

from accounts.models import Branch, Library
from accounts.staff_actions import staff_action
from portal import keys
from portal.text import clean

from .drafting import asker_on_its_day, draft, language_of, with_drafts
from .models import CheckIn

MAX_WORDS = 2000


class NotPlanned(Exception):
    """The check-in was already sent, answered, skipped or ended. `check_in` is the check-in as it is now."""

    def __init__(self, check_in):
        self.check_in = check_in


class ChangedMeanwhile(Exception):
    """The text or the tone was changed after the page was shown. `check_in` is the check-in as it is now."""

    def __init__(self, check_in):
        self.check_in = check_in


@staff_action
def edit(check_in, *, words, tone, by, at, seen):
    """Save the text and the tone of a planned check-in, mark the check-in as reviewed, and return it.

    If the text `words` is empty or equal to the portal's draft in this tone, no text is saved. The check-in
    is then sent with the draft. `seen` is the result of `version_of` when the page was shown. Raises
    NotPlanned and ChangedMeanwhile.
    """
    check_in = _lock(check_in)
    words = _clean(words)
    if words == _drafts(check_in, at=at)[_tone(check_in, tone)]:
        words = ""
    is_same = (words, tone) == (check_in.words, check_in.tone)
    if version_of(check_in) != seen and not is_same:
        raise ChangedMeanwhile(check_in)
    check_in.words, check_in.tone = words, tone
    check_in.reviewed_at, check_in.reviewed_by = at, by
    check_in.save(update_fields=["words", "tone", "reviewed_at", "reviewed_by"])
    return check_in


def draft_to_read_again(check_in, *, words, tone, at):
    """Return the draft in the chosen tone if the staff member must read it before saving, or else "".

    They must read it if they changed the tone and not the text. The posted text `words` is then still the
    portal's draft in another tone. If the check-in is no longer planned, return "".
    """
    if check_in.status != CheckIn.Status.PLANNED:
        return ""
    drafts, chosen = _drafts(check_in, at=at), _tone(check_in, tone)
    others = {text for each, text in drafts.items() if each != chosen}
    return drafts[chosen] if _clean(words) in others - {drafts[chosen]} else ""


def _drafts(check_in, *, at):
    """Return {tone: the portal's draft in this tone}."""
    by, language = asker_on_its_day(check_in, at=at), language_of(check_in.help_session)
    tones = Branch.Tone.values
    return {tone: _clean(draft(check_in, by=by, tone=tone, language=language)) for tone in tones}


def _tone(check_in, chosen):
    """Return the chosen tone. If it is "", return the tone of the branch."""
    return chosen or check_in.help_session.branch.check_in_tone


@staff_action
def approve(seen, *, by, at):
    """Mark check-ins as reviewed, and return the check-ins that were marked.

    `seen` is {check-in: the result of `version_of` at the time when the page was shown}. Skip check-ins that
    are no longer planned or that somebody has changed.
    """
    versions = {check_in.pk: version for check_in, version in seen.items()}
    planned = CheckIn.objects.filter(pk__in=versions, status=CheckIn.Status.PLANNED)
    rows = with_drafts(planned).select_for_update(of=["self"], no_key=True)
    library = Library.current()

    def is_as_seen(row):
        language = language_of(row.help_session, library=library)
        return version_of(row, language=language) == versions[row.pk]

    current = [row for row in rows.order_by("pk") if is_as_seen(row)]
    CheckIn.objects.filter(pk__in=[row.pk for row in current]).update(reviewed_at=at, reviewed_by=by)
    return current


def version_of(check_in, *, language=None):
    """Return a hash that changes when the text or the tone of the check-in changes.

    The text is what staff wrote, or else the portal's draft. Pass `language` if `language_of` was already
    called.
    """
    words = check_in.words or draft(check_in, by=None, language=language)
    return keys.fingerprint("words of a check-in", f"{check_in.tone} {words}")[:16]


def _clean(words):
    return clean(words, multiline=True).strip()


def _lock(check_in):
    rows = CheckIn.objects.select_for_update(of=["self"], no_key=True)
    related = "help_session__branch", "help_session__staff", "help_session__patron"
    check_in = rows.select_related(*related).get(pk=check_in.pk)
    if check_in.status != CheckIn.Status.PLANNED:
        raise NotPlanned(check_in)
    return check_in
