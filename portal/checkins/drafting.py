"""Choose the person who asks how a visit turned out, and write the text of the question.

A draft contains only what the patron can read on the visit's page. It never contains private notes, or the
reason why staff chose the day.
"""

from django.conf import settings
from django.db.models import Prefetch
from django.utils import translation
from django.utils.text import Truncator, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Absence, Branch, Library, StaffRole
from portal.helpsessions.models import SessionRecommendation
from portal.templatetags.portal import day_in_a_sentence

Tone = Branch.Tone
# A draft names at most this many items. If there are more items, it says how many more.
MAX_TITLES = 3
MAX_TITLE = 70
# The draft depends on these fields of the visit. If one of them is corrected, `planning.replan` deletes the
# text that staff wrote for the check-in.
DRAFTED_FROM = frozenset(
    {"question", "items", "item_order", "happened_on", "language", "branch", "with_child"}
)


def asker(help_session, *, at):
    """Return the person in whose name the library asks at the time `at`, or None if the branch asks.

    This is the helper, or the covering colleague while the helper is away. Return None if the helper no
    longer works at the branch. Also return None if the helper is away and nobody covers, or the covering
    colleague is also away or has left.
    """
    return askers([(help_session, Library.current().today(at))])[help_session.pk]


def asker_on_its_day(check_in, *, at):
    """Return the person in whose name a planned check-in will be sent, or None if the branch asks."""
    day = day_of(check_in, today=Library.current().today(at))
    return askers([(check_in.help_session, day)])[check_in.help_session_id]


def day_of(check_in, *, today):
    """Return the day when a planned check-in is due, or today if that day has passed."""
    return max(check_in.due_on, today)


def askers(visits):
    """Return {primary key of a visit: the person in whose name the library asks}.

    The person is None if the branch asks.

    `visits` has pairs of a visit and the day when the library asks about it.
    """
    visits = list(visits)
    if not visits:
        return {}
    days = [day for _visit, day in visits]
    absences = list(
        Absence.objects.filter(first_day__lte=max(days), last_day__gte=min(days)).select_related("cover")
    )
    people = {visit.staff_id for visit, _day in visits} | {absence.cover_id for absence in absences}
    roles = StaffRole.objects.filter(user__in=people - {None}, user__is_active=True)
    works_at = set(roles.values_list("user", "branch"))
    staff = {person for person, _branch in works_at}

    def absence_of(person, day):
        return next((a for a in absences if a.person_id == person and a.first_day <= day <= a.last_day), None)

    def who_asks(visit, day):
        if (visit.staff_id, visit.branch_id) not in works_at:
            return None
        absence = absence_of(visit.staff_id, day)
        if absence is None:
            return visit.staff
        if absence.cover_id not in staff or absence_of(absence.cover_id, day):
            return None
        return absence.cover

    return {visit.pk: who_asks(visit, day) for visit, day in visits}


def with_drafts(check_ins):
    """Return the check-ins with the related rows that `letter` and `draft` need, in two queries."""
    links = SessionRecommendation.objects.not_removed().select_related("recommendation__item")
    return check_ins.select_related(
        "help_session__branch", "help_session__staff", "help_session__patron"
    ).prefetch_related(Prefetch("help_session__recommendation_links", links, to_attr="links_to_name"))


def letter(check_in, *, by, neutral=False, language=None):
    """Return the whole text that the patron reads: the greeting, the main text and the signature.

    `by` is the person who asks, or None if the branch asks. The main text is what the helper has written, or
    else the portal's draft. A neutral letter says nothing about the question or the items. So its main text
    is always the portal's neutral draft. Pass `language` if `language_of` was already called.
    """
    language = language or language_of(check_in.help_session)
    words = "" if neutral else check_in.words
    words = words or draft(check_in, by=by, neutral=neutral, language=language)
    return "\n\n".join([greeting(check_in, language=language), words, signature(check_in, by=by)])


def greeting(check_in, *, language=None):
    """Return the greeting with the first name that the patron chose to show."""
    patron = check_in.help_session.patron
    name = patron.name.split()[:1] if patron else []
    with translation.override(language or language_of(check_in.help_session)):
        return _("Hello %(name)s,") % {"name": name[0]} if name else _("Hello,")


def signature(check_in, *, by):
    """Return the name of the person who asks and of the branch, or only the name of the branch."""
    branch = check_in.help_session.branch.name
    return f"{by.name}, {branch}" if by and by.name else branch


def draft(check_in, *, by, tone="", neutral=False, language=None):
    """Return the text that the portal suggests for this check-in, without greeting and signature.

    If `tone` is "", use the tone of the check-in or of the branch. `by` is the person who asks, or None if
    the branch asks. The draft says "I" only if `by` is the helper. A neutral draft says nothing about the
    question or the items. If `language` is None, use the result of `language_of`.
    """
    visit = check_in.help_session
    tone = tone or check_in.tone or visit.branch.check_in_tone
    is_helper = by is not None and by.pk == visit.staff_id
    with translation.override(language or language_of(visit)):
        if neutral:
            return _neutral(tone, is_helper=is_helper)
        matter = [_question(visit, tone), _items(_titles(visit), is_helper=is_helper)]
        return "\n\n".join(["\n".join(filter(None, matter)), asks(tone, is_helper=is_helper)])


def language_of(help_session, *, library=None):
    """Return the language of the check-in.

    This is the visit's language, or else the patron's, or else the library's. Languages into which the portal
    isn't translated are skipped. Pass `library` to save a query.
    """
    patron, translated = help_session.patron, dict(settings.LANGUAGES)
    for code in (help_session.language, patron.language if patron else ""):
        if code in translated:
            return code
    return (library or Library.current()).language


def _question(visit, tone):
    """Return a sentence that reminds the patron of the visit. A child's question is never quoted."""
    is_childs = visit.with_child or visit.patron and visit.patron.is_child
    if visit.quiet or is_childs or not visit.question:
        return _("You came to us on %(day)s.") % {"day": day_in_a_sentence(visit.happened_on)}
    if tone == Tone.BRIEF:
        return _("You asked: “%(question)s”") % {"question": visit.title}
    return _("On %(day)s, you asked us: “%(question)s”") % {
        "day": day_in_a_sentence(visit.happened_on),
        "question": visit.title,
    }


def _items(titles, *, is_helper):
    """Return a sentence with the titles that staff recommended, or "" if there are none."""
    if not titles:
        return ""
    named = [_("“%(title)s”") % {"title": Truncator(each).chars(MAX_TITLE)} for each in titles[:MAX_TITLES]]
    more = len(titles) - MAX_TITLES
    if more > 0:
        named.append(ngettext("%(count)s more", "%(count)s more", more) % {"count": more})
    words = _("I suggested %(titles)s.") if is_helper else _("We suggested %(titles)s.")
    return words % {"titles": get_text_list(named, _("and"))}


def _titles(visit):
    """Return the titles of the visit's items.

    This runs a query if the check-in was not loaded by `with_drafts`.
    """
    links = getattr(visit, "links_to_name", None)
    if links is None:
        links = visit.recommendation_links.not_removed().select_related("recommendation__item")
    return [link.recommendation.item.title for link in links]


def asks(tone, *, is_helper):
    """Return the question that ends a draft in this tone, such as "Did it help?", in the current language."""
    if tone == Tone.BRIEF:
        return _("Did it help?")
    if tone == Tone.PLAIN:
        return _("Did you find what you needed?")
    if is_helper:
        return _(
            "How did it turn out? I'd love to hear from you, even if it didn't help. Then we can look for "
            "something else."
        )
    return _(
        "How did it turn out? We'd love to hear from you, even if it didn't help. Then we can look for "
        "something else."
    )


def _neutral(tone, *, is_helper):
    if tone == Tone.BRIEF:
        return _("Did you find what you needed at the library?")
    if tone == Tone.PLAIN:
        return _("You asked us for help. Did you find what you needed?")
    if is_helper:
        return _(
            "I helped you at the library a while ago. How did it turn out? I'd love to hear from you, even "
            "if it didn't help."
        )
    return _(
        "We helped you at the library a while ago. How did it turn out? We'd love to hear from you, even if "
        "it didn't help."
    )
