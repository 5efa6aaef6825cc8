"""The context of a person's record at the desk."""

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from accounts.patron import check_ins
from accounts.sign_in.email_addresses import confirmed_address
from accounts.sign_in.passkeys import tell_apart
from portal.conversations.models import Conversation
from portal.conversations.views.keeping import wording
from portal.desk import shown_today, slips
from portal.helpsessions import account_codes
from portal.helpsessions.models import HelpSession
from portal.paging import page_of
from portal.privacy.unmerging import can_be_unmerged
from recommendations.models import topic_names

from .to_keep import visit_to_keep


def record_context(request, person):
    """Return the context of desk/people/record.html."""
    may_see_passkeys = request.user.is_coordinator and not person.is_staff and person != request.user
    visit = None if person.died_at else visit_to_keep(request)
    words, language = consent(request, person, visit)
    return {
        "person": person,
        "cards": list(person.library_cards.select_related("home_branch")),
        "is_confirmed": person.emailaddress_set.filter(verified=True).exists(),
        **_visits_context(request, person),
        **_conversations_context(request, person),
        "to_keep": visit,
        "wording": words,
        "wording_language": language,
        **_code_context(request, person),
        **_check_ins_context(request, person),
        "passkeys": tell_apart(person.passkeys.all()) if may_see_passkeys else [],
        "joined": can_be_unmerged(person, at=timezone.now()) if request.user.is_coordinator else [],
    }


def consent(request, person, visit, *, is_new=False):
    """Return (text of the consent, language of the text).

    A staff member reads this text to the person before the visit is saved in the person's account. If staff
    are still recording the visit, `is_new` is true.
    """
    language = check_ins.language_of(person)
    with override(language):
        return wording(person, timezone.now(), request.library, visit, is_new=is_new), language


def slip_name(person):
    """Return the name under which `slips.keep` stores the code for the person's account."""
    return f"record {person.public_id}"


def _visits_context(request, person):
    visits = (
        HelpSession.objects.filter(Q(patron=person) | Q(shared_with=person))
        .recorded()
        .select_related("branch", "staff", "topic")
        .prefetch_related(*topic_names("topic__names"))
    )
    visits, older = page_of(visits, "happened_on", request.GET.get("after"))
    branches, shown = request.user.desk_branch_ids, shown_today.ids(request)
    for visit in visits:
        visit.may_open = visit.branch_id in branches or visit.staff_id == request.user.pk or visit.pk in shown
    return {"visits": visits, "older_visits": older}


def _conversations_context(request, person):
    conversations = (
        Conversation.objects.filter(patron=person)
        .not_merged()
        .exclude(status=Conversation.Status.ERASED)
        .select_related("branch")
    )
    conversations, older = page_of(conversations, "opened_at", request.GET.get("older"))
    mine = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    listed = [conversation.pk for conversation in conversations]
    openable = set(mine.filter(pk__in=listed).values_list("pk", flat=True))
    for conversation in conversations:
        conversation.may_open = conversation.pk in openable
    return {"conversations": conversations, "older_conversations": older}


def _check_ins_context(request, person):
    """Return a context with the question about check-ins that staff read aloud, and the possible answers."""
    if not check_ins.may_be_asked(person, request.library):
        return {}
    sentences, language = check_ins.text_to_read(person, request.library)
    return {
        "check_in_sentences": sentences,
        "check_in_language": language,
        "check_in_choices": check_ins.choices_for(person, request.library, aloud=True),
        "check_in_missing": missing_address(person, request.library)
        if person.check_ins in ("", User.CheckIns.EMAIL)
        else "",
    }


def missing_address(person, library):
    """Return a sentence that says why the library can't ask this person by email yet, or ""."""
    if not check_ins.offers_email(person, library) or confirmed_address(person):
        return ""
    if person.email:
        return _(
            "This patron hasn't confirmed their email address. They can confirm it under “Me” after they "
            "sign in."
        )
    return _("This patron's account has no email address. They can add one under “Me” after they sign in.")


def _code_context(request, person):
    """Return a context that says whether the person may have an account code.

    If staff have just made a code, the context also contains the code.
    """
    may_have_code = account_codes.may_have_code(person)
    codes = slips.kept(request.session, slip_name(person), at=timezone.now())
    code = slips.code_context(codes[0]) if codes and may_have_code else {}
    return {"may_have_code": may_have_code, **code}
