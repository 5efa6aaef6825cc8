"""Remove the link between a help session and the people who keep it.

`make_quiet` removes every link, because a quiet session must not be linked to a name. `unlink_wrong_patron`
removes what would still give a wrong patron access. What the wrong patron wrote stays at the desk.
"""

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import translation

from accounts.models import AuditEvent, Consent, Library, User
from accounts.patron import refused_posts
from portal.conversations import promise_emails, search
from portal.conversations.answer_emails import delete_announcements, withdraw_announcements_to
from portal.conversations.changes import raise_queue
from portal.conversations.models import Attachment, Conversation, Draft, Event, Message, Participation, Side
from portal.helpsessions import handover
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.helpsessions.search import index as index_session
from portal.lists.models import SavedItem

from . import correction_emails, exports, holds
from .session_lock import recommendations_of


def make_quiet(help_session, conversations, *, is_held, at):
    """Remove all names from a session that becomes quiet. The caller locks the rows and saves the session.

    Emails, list entries, drafts and refused forms are deleted. Each person's access log still says that
    staff opened a visit, but not which one. If the visit is under a legal hold (`is_held`), consents and
    events stay.
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
    Message.objects.filter(conversation__in=conversations, side=Side.PATRON).update(author=None)
    Attachment.objects.filter(conversation__in=conversations, side=Side.PATRON).update(added_by=None)
    Event.objects.filter(conversation__in=conversations, side=Side.PATRON).update(by=None)
    Participation.objects.filter(
        conversation__in=conversations, side=Side.PATRON, person__isnull=False
    ).delete()
    if not is_held:
        subjects = [help_session.public_id, *conversations.values_list("public_id", flat=True)]
        Consent.objects.filter(subject__in=subjects, purpose=Consent.Purpose.KEEP_SESSION).delete()
        AuditEvent.objects.filter(patron__isnull=False, subject__in=map(str, subjects)).update(subject="")
    language = help_session.language if help_session.language in dict(settings.LANGUAGES) else None
    with translation.override(language or Library.current().language):
        conversations.filter(recommendation=None).update(subject=help_session.title)
    for contact in holds.contacts_of(conversations).filter(quiet=False, patron=None):
        # The contact repeats the patron's words.
        contact.quiet = True
        contact.save(update_fields=["quiet"])
        index_session(contact)
    _renew(conversations)


def unlink_wrong_patron(help_session, conversations, *, at):
    """End all access of the patron, and of an adult who shares the visit.

    The caller locks the rows and saves the session.
    """
    recommendations = recommendations_of(help_session)
    _end_access(help_session, conversations, recommendations, at=at)
    help_session.patron = help_session.shared_with = help_session.shared_at = None
    help_session.is_the_childs_alone = False
    _renew(conversations)


def _end_access(help_session, conversations, recommendations, *, at):
    """Delete what the visit's keepers have of it: emails, copies, list entries and drafts.

    If a legal hold covers a person, it now covers the visit too, and the entries in their lists stay.
    """
    _take_merged(help_session, conversations, at=at)
    for person in help_session.keepers:
        holds.copy_holds(person, help_session, at=at)
        withdraw_announcements_to(person, conversations)
        promise_emails.delete(person, conversations)
        correction_emails.delete(help_session, person)
        exports.forget_all_of(person)
    handover.withdraw_emails(help_session)
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
    # The page about a code in the state KEPT would say that the visit is in an account.
    help_session.claim_codes.filter(state=ClaimCode.State.KEPT).update(state=ClaimCode.State.REVOKED)


def _take_merged(help_session, conversations, *, at):
    """Let conversations that were merged with one about the visit belong to the visit from now on.

    If a legal hold covers a visit to which they belonged, it now covers this visit too.
    """
    others = conversations.exclude(help_session=help_session)
    for other in HelpSession.objects.filter(conversations__in=others).distinct():
        holds.copy_holds(other, help_session, at=at)
    others.update(help_session=help_session, recommendation=None)


def _renew(conversations):
    """Update the open pages, the desk's search and the queues."""
    conversations.update(version=F("version") + 1, desk_version=F("desk_version") + 1)
    for conversation in conversations.filter(merged_into=None).exclude(status=Conversation.Status.ERASED):
        search.index_conversation(conversation)
    for branch_id in sorted(set(conversations.values_list("branch", flat=True))):
        raise_queue(branch_id)
