"""Remove the links between a help session and the people who have it in their accounts.

`make_quiet` removes every link, because a quiet session must not be linked to a name. `unlink_wrong_patron`
removes only what gives a wrong patron access. The desk still sees what the wrong patron wrote.
"""

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import translation

from accounts.models import AuditEvent, Consent, Library, User
from accounts.patron import refused_posts
from portal.checkins.models import CheckIn, SharedWords
from portal.conversations import promise_emails, search, step_notices
from portal.conversations.answer_emails import delete_announcements, withdraw_announcements_to
from portal.conversations.changes import raise_queue
from portal.conversations.models import (
    Attachment,
    CallBack,
    Conversation,
    Draft,
    Event,
    Message,
    Participation,
    Side,
)
from portal.helpsessions import handover, push
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.helpsessions.search import index as index_session
from portal.incoming.models import IncomingEmail
from portal.lists.models import SavedItem
from recommendations.models import NextStep

from . import call_numbers, correction_emails, exports, holds
from .session_lock import recommendations_of


def make_quiet(help_session, conversations, *, is_held, at):
    """Remove all names from a help session that becomes quiet.

    The caller locks the rows and saves the help session. Emails in both directions, list entries, drafts and
    refused forms are deleted. The access logs of the people still say that staff opened a visit, but not
    which visit.

    If the visit is under a legal hold (`is_held`), these are not deleted:
    - consents, audit events, original emails and the text of the visit's check-ins
    - the phone numbers of calls that are over
    - the names for which staff should ask when they call
    """
    recommendations = recommendations_of(help_session)
    _end_access(help_session, conversations, recommendations, at=at)
    delete_announcements(conversations)
    refused_posts.forget_about(
        [
            help_session.public_id,
            *conversations.values_list("public_id", flat=True),
            *recommendations.values_list("public_id", flat=True),
        ]
    )
    help_session.patron = help_session.shared_with = help_session.shared_at = help_session.kept_at = None
    help_session.is_the_childs_alone = False
    if help_session.is_group_from_card:
        help_session.patron_group, help_session.is_group_from_card = None, False
    Message.objects.filter(conversation__in=conversations, side=Side.PATRON).update(author=None)
    Attachment.objects.filter(conversation__in=conversations, side=Side.PATRON).update(added_by=None)
    Event.objects.filter(conversation__in=conversations, side=Side.PATRON).update(by=None)
    numbers = CallBack.objects.filter(conversation__in=conversations)
    numbers.update(by=None)
    Participation.objects.filter(
        conversation__in=conversations, side=Side.PATRON, person__isnull=False
    ).delete()
    originals = IncomingEmail.objects.filter(
        Q(message__conversation__in=conversations) | Q(conversation__in=conversations)
    )
    if is_held:
        originals.update(person=None)
    else:
        originals.delete()
        subjects = [help_session.public_id, *conversations.values_list("public_id", flat=True)]
        purposes = [Consent.Purpose.KEEP_SESSION, Consent.Purpose.QUOTE]
        Consent.objects.filter(subject__in=subjects, purpose__in=purposes).delete()
        AuditEvent.objects.filter(patron__isnull=False, subject__in=map(str, subjects)).update(subject="")
        # Staff wrote the text of the check-in for the patron, and may have named the patron in it.
        CheckIn.objects.filter(help_session=help_session).update(words="", reason="")
        call_numbers.remove(numbers.filter(done_at__isnull=False), at=at)
        numbers.update(ask_for="")
    language = help_session.language if help_session.language in dict(settings.LANGUAGES) else None
    with translation.override(language or Library.current().language):
        conversations.filter(recommendation=None).update(subject=help_session.title)
    for contact in holds.contacts_of(conversations).filter(quiet=False, patron=None):
        # The contact was recorded for the conversation and contains text that the patron wrote, so make it
        # quiet too.
        contact.quiet = True
        contact.save(update_fields=["quiet"])
        recommendations_of(contact).update(never_counted=True)
        index_session(contact)
    _renew(conversations)


def unlink_wrong_patron(help_session, conversations, *, at):
    """End all access to the visit for the patron, and for an adult who shares the visit.

    The caller locks the rows and saves the help session.
    """
    recommendations = recommendations_of(help_session)
    _end_access(help_session, conversations, recommendations, at=at)
    recommendations.update(never_counted=True)
    NextStep.objects.filter(recommendation__in=recommendations).delete()
    call_numbers.remove(CallBack.objects.filter(conversation__in=conversations), at=at)
    help_session.patron = help_session.shared_with = help_session.shared_at = None
    help_session.is_the_childs_alone = False
    if help_session.is_group_from_card:
        help_session.patron_group, help_session.is_group_from_card = None, False
    _renew(conversations)


def _end_access(help_session, conversations, recommendations, *, at):
    """End the access of the people who have the visit in their account.

    Delete their emails, exports, list entries and drafts about the visit. Revoke the codes that they used to
    add the visit. If one of these people is under a legal hold, the hold now covers the visit too, and the
    list entries of this person are not deleted.
    """
    _take_merged(help_session, conversations, at=at)
    for person in help_session.keepers:
        holds.copy_holds(person, help_session, at=at)
        withdraw_announcements_to(person, conversations)
        promise_emails.delete(person, conversations)
        step_notices.delete(person, recommendations)
        correction_emails.delete(help_session, person)
        exports.forget_all_of(person)
    handover.withdraw_emails(help_session)
    push.end_for_visits(help_session)
    saved = SavedItem.objects.filter(recommendation__in=recommendations)
    owners = User.objects.filter(pk__in=saved.values("saved_list__patron"))
    saved.exclude(saved_list__patron__in=[owner.pk for owner in owners if holds.held(owner)]).delete()
    drafts = Draft.objects.filter(conversation__in=conversations, side=Side.PATRON, person__isnull=False)
    unsent = Attachment.objects.filter(
        conversation__in=conversations, side=Side.PATRON, message=None, added_by__isnull=False
    )
    files = [name for attachment in unsent for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    drafts.delete()
    unsent.delete()
    recommendations.update(patron=None)
    conversations.update(patron=None)
    SharedWords.objects.filter(help_session=help_session).delete()
    if not holds.held(help_session):
        IncomingEmail.objects.filter(conversation__in=conversations).delete()
    # Revoke the codes that people used to add the visit to their account. In the state KEPT, the page of such
    # a code would still say that the visit is in an account.
    help_session.claim_codes.filter(state=ClaimCode.State.KEPT).update(state=ClaimCode.State.REVOKED)


def _take_merged(help_session, conversations, *, at):
    """Move conversations to the visit if they were merged with a conversation about the visit.

    If such a conversation was about another visit under a legal hold, the hold now covers this visit too.
    """
    others = conversations.exclude(help_session=help_session)
    for other in HelpSession.objects.filter(conversations__in=others).distinct():
        holds.copy_holds(other, help_session, at=at)
    others.update(help_session=help_session, recommendation=None)


def _renew(conversations):
    """Make open pages load these conversations again, and update the desk's search and the queues."""
    conversations.update(version=F("version") + 1, desk_version=F("desk_version") + 1)
    for conversation in conversations.filter(merged_into=None).exclude(status=Conversation.Status.ERASED):
        search.index_conversation(conversation)
    for branch_id in sorted(set(conversations.values_list("branch", flat=True))):
        raise_queue(branch_id)
