"""Undo a merge of two records within a day. Each row goes back to the record that it belonged to before.

merge_snapshot.py stores the affected rows before the merge. A conversation goes back to its earlier record
with everything that was added to the conversation after the merge.
"""

import datetime
from contextlib import suppress

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts import audit
from accounts.models import AddressChange, AuditEvent, Consent, LookingReason, NameWord, User
from accounts.sign_in.sign_ins import end_sign_in_elsewhere
from accounts.staff_actions import lock_roles, staff_action
from portal.checkins.models import CheckIn
from portal.checkins.weekly_limit import count_emails_to_address
from portal.conversations import search
from portal.conversations.changes import raise_queue
from portal.conversations.models import (
    Attachment,
    CallBack,
    Conversation,
    Draft,
    Message,
    Participation,
    Side,
)
from portal.deadlines import compares_deadlines
from portal.helpsessions.models import HelpSession
from portal.incoming.models import IncomingEmail
from portal.lists.models import ListLink, SavedItem
from portal.notifications.models import FailingAddress
from recommendations.models import Recommendation

from . import holds, sharing
from . import merge_snapshot as snapshot
from .locks import lock_person_rows
from .merging import CannotMerge, merge_people
from .models import LegalHold, MergedRecords

# The choices about check-ins, from the one that allows the library the least to the one that allows the most.
# "" means that the person hasn't chosen.
LESS_FIRST = ("none", "pages", "", "push", "email")
CAN_BE_UNMERGED_FOR = datetime.timedelta(hours=24)


class CannotUnmerge(Exception):
    """The merge was too long ago or is already undone, or the record `into` no longer exists."""


@transaction.atomic
def merge_for_a_day(going, into, *, by, at, proven=False):
    """Merge the records so that the merge can be undone for a day, and return the MergedRecords.

    If `proven` is true, `by` is the patron, who has proven that both records are theirs. If not, `by` is a
    staff member. Staff can't merge a patron's record with their own. Otherwise they could see the patron's
    data without an entry in the access log. Raises CannotMerge.
    """
    if by.pk in (going.pk, into.pk) and not proven:
        raise CannotMerge
    if not proven:
        lock_roles(by)
    lock_person_rows(going, into)
    locked = User.objects.select_for_update().filter(pk__in=[going.pk, into.pk]).order_by("pk")
    people = {person.pk: person for person in locked}
    going, into = people.get(going.pk, going), people.get(into.pk, into)
    rows_to_compare = snapshot.rows_to_compare(going, into)
    before = {
        "person": snapshot.as_json(going),
        "moved": snapshot.moved_keys(going),
        "rows": snapshot.own_rows(going),
        "address": snapshot.email_of(into),
        "check_ins": into.check_ins,
    }
    into = merge_people(going, into, by=by, at=at)
    before["melted"] = snapshot.changes_of(rows_to_compare)
    before["ended"] = [
        [label, row] for label, _field, row in before["rows"] if not snapshot.current(label, row).exists()
    ]
    return MergedRecords.objects.create(into=into, by=into if proven else by, merged_at=at, before=before)


@compares_deadlines
@staff_action
def unmerge(merged, *, by, at, now):
    """Undo the merge and return the person whose record was deleted. Raises CannotUnmerge."""
    merged = _lock(merged, now)
    into, before, since = merged.into, merged.before, merged.merged_at
    _undo_changes(before["melted"])
    _restore_email(into, before, since=since)
    FailingAddress.objects.filter(person=into).exclude(email=F("person__email")).delete()
    person = _restore_person(before["person"])
    count_emails_to_address(person, since=since)
    for label, field, keys in before["moved"]:
        apps.get_model(label)._base_manager.filter(pk__in=keys, **{field: into}).update(**{field: person})
    for label, row in before["ended"]:
        _restore_row(label, row)
    for label, field, row in before["rows"]:
        _move_back(label, field, row, person, into)
    _end_sharing_that_the_child_ended(person, into, at=at)
    conversations = _conversations_of(before, person)
    _move_new_rows([*conversations, *_conversations_shared_with(person, into)], person, into)
    _move_access_log(before, person, into, since=since)
    _copy_new_holds(person, into, since=since, at=at)
    _copy_new_wishes(person, into, since=since, own=before.get("check_ins", ""))
    _end_new_access(into, since=since)
    _end_new_links(person, into, since=since, at=at)
    shared = HelpSession.objects.filter(shared_with=OuterRef("pk"))
    people = User.objects.filter(pk__in=[into.pk, person.pk])
    people.update(has_shared_visits=Exists(shared))
    # The names were restored without User.save(), which would have indexed their words. So index the words
    # here.
    NameWord.objects.index(people)
    audit.record("unmerged_people", into, by=by, patron=into, at=at)
    audit.record("unmerged_people", person, by=by, patron=person, at=at)
    merged.delete()
    _refresh_conversations(conversations)
    return person


def can_be_unmerged(person, *, at):
    """Return the merges into this person's record that can still be undone, the latest first."""
    return (
        MergedRecords.objects.filter(into=person, merged_at__gt=at - CAN_BE_UNMERGED_FOR)
        .select_related("by")
        .order_by("-merged_at", "-pk")
    )


def forget_merged_records(*, at):
    """Delete the snapshots of merges that can no longer be undone. The worker runs this job."""
    MergedRecords.objects.filter(merged_at__lte=at - CAN_BE_UNMERGED_FOR).delete()


def _lock(merged, now):
    """Lock the record `into`. Return the current MergedRecords row. Raises CannotUnmerge."""
    lock_person_rows(merged.into)
    list(User.objects.select_for_update().filter(pk=merged.into_id))
    rows = MergedRecords.objects.select_for_update(of=("self",)).select_related("into")
    locked = rows.filter(pk=merged.pk).first()
    if locked is None or locked.merged_at <= now() - CAN_BE_UNMERGED_FOR or not locked.into.is_active:
        raise CannotUnmerge
    return locked


# The functions below restore rows as they were before the merge.


def _undo_changes(changes):
    """Restore the old value of each column that has not changed again after the merge."""
    for label, key, columns in changes:
        model = apps.get_model(label)
        row = model._base_manager.filter(pk=key).first()
        if row is not None:
            now = snapshot.as_json(row)
            old_values = {
                name: snapshot.value_of(model, name, before)
                for name, (before, after) in columns.items()
                if now[name] == after
            }
            model._base_manager.filter(pk=key).update(**old_values)


def _restore_email(into, before, *, since):
    """Restore the email address of the record `into`. If it had none before the merge, remove the address.

    The current address may belong to the other person. With this address, that person could sign in to the
    record `into`.
    """
    if snapshot.email_of(into)[0] == before["address"][0]:
        return
    email, is_confirmed = before["address"]
    # Since the merge, somebody else may have added the earlier address of `into` to their record. The record
    # `into` then gets no address.
    if User.objects.filter(email=email).exclude(pk=into.pk).exists():
        email = None
    User.objects.filter(pk=into.pk).update(email=email)
    going_back = [row["id"] for label, _field, row in before["rows"] if label == EmailAddress._meta.label]
    EmailAddress.objects.filter(user=into).exclude(pk__in=going_back).exclude(email=email).delete()
    if email:
        EmailAddress.objects.get_or_create(
            user=into, email=email, defaults={"primary": True, "verified": is_confirmed}
        )


def _restore_person(columns):
    person = snapshot.from_json(User, columns)
    # Since the merge, somebody else may have added this person's old address to their record. The restored
    # record then gets no address.
    if person.email and User.objects.filter(email=person.email).exists():
        person.email = None
    person.save_base(force_insert=True)
    return person


def _move_back(label, field, row, person, into):
    """Point the row's foreign key to the person again, if the row still exists."""
    now = snapshot.current(label, row)
    if label == SavedItem._meta.label:
        on_another_list = now.filter(saved_list__patron=into).exclude(saved_list=row["saved_list_id"])
        on_another_list.update(saved_list=row["saved_list_id"], position=row["position"])
    elif label == ListLink._meta.label:
        now.filter(saved_list__patron=into).update(saved_list=row["saved_list_id"])
    elif label == EmailAddress._meta.label and person.email is None:
        return
    elif label == EmailAddress._meta.label and not now.exists():
        # A change of address after the merge has deleted this EmailAddress, so insert it again.
        _restore_row(label, row)
    elif label == CheckIn._meta.label:
        # A check-in link that was sent after the merge went to the address of `into`, so it must not open
        # this person's visit. The link from before the merge works again.
        now.filter(asked=into).update(asked=person, token_hmac=row["token_hmac"])
    else:
        now.filter(**{field: into}).update(**{field: person})


def _restore_row(label, columns):
    """Insert a row that the merge deleted.

    Insert nothing if the row needs another row that no longer exists, or if it conflicts with a newer row.
    """
    row = snapshot.from_json(apps.get_model(label), columns)
    if isinstance(row, SavedItem) and not _drop_lost_recommendation(row):
        return
    # Check that the targets of the foreign keys exist. The database checks the targets only at the commit,
    # and rolls back the whole transaction if one is missing.
    for field in row._meta.concrete_fields:
        if field.is_relation and getattr(row, field.attname) is not None and not _exists(field, row):
            if not field.null:
                return
            setattr(row, field.attname, None)
    with suppress(IntegrityError), transaction.atomic():
        row.save_base(raw=True, force_insert=True)


def _drop_lost_recommendation(saved):
    """Remove the recommendation from a list entry if the visit of the recommendation was forgotten.

    Return False if no list may have the entry, because the visit is quiet now or had the wrong patron.
    """
    given = saved.recommendation_id and Recommendation.objects.filter(pk=saved.recommendation_id).first()
    if given and given.patron_id is None:
        saved.recommendation = None
        return not given.never_counted
    return True


def _exists(field, row):
    """Return whether the target of this foreign key exists."""
    target = {field.target_field.attname: getattr(row, field.attname)}
    return field.related_model._base_manager.filter(**target).exists()


# The functions below handle what was added or changed after the merge.


def _end_sharing_that_the_child_ended(person, into, *, at):
    """End a sharing again that unmerging has restored, if the child ended it after the merge."""
    visits = HelpSession.objects.filter(shared_with__in=[person, into], is_the_childs_alone=True)
    for visit in visits.order_by("pk"):
        sharing.end_sharing(visit, at=at)


def _conversations_of(before, person):
    keys = _keys_of(before, Conversation)
    return list(Conversation.objects.filter(pk__in=keys, patron=person).order_by("pk"))


def _keys_of(before, model):
    """Return the primary keys of the person's rows of `model` that the merge moved.

    `model` is HelpSession or Conversation.
    """
    moved = [
        keys for label, field, keys in before["moved"] if (label, field) == (model._meta.label, "patron")
    ]
    return [key for keys in moved for key in keys]


def _conversations_shared_with(person, into):
    """Return the conversations about children's visits that `person` shares as the adult."""
    return Conversation.objects.filter(help_session__shared_with=person).exclude(patron=into).order_by("pk")


def _move_new_rows(conversations, person, into):
    """Move the new rows of these conversations to the person.

    These are the messages, attachments, emails, phone numbers, recommendations, reading positions and drafts
    that were added after the merge.
    """
    in_conversations = {"conversation__in": conversations}
    Message.objects.filter(**in_conversations, side=Side.PATRON, author=into).update(author=person)
    Attachment.objects.filter(**in_conversations, side=Side.PATRON, added_by=into).update(added_by=person)
    in_messages = Q(message__conversation__in=conversations)
    IncomingEmail.objects.filter(in_messages | Q(**in_conversations), person=into).update(person=person)
    CallBack.objects.filter(**in_conversations, by=into).update(by=person)
    Recommendation.objects.filter(
        messagerecommendation__message__conversation__in=conversations, patron=into
    ).update(patron=person)
    for model in (Participation, Draft):
        rows = model.objects.filter(**in_conversations, side=Side.PATRON)
        has_own = list(rows.filter(person=person).values_list("conversation", flat=True))
        rows.filter(person=into).exclude(conversation__in=has_own).update(person=person)


def _move_access_log(before, person, into, *, since):
    """Move new entries of the access log to the person.

    These are the entries that were made after the merge and are about the person's conversations or visits.
    """
    own_conversations = Conversation.objects.filter(pk__in=_keys_of(before, Conversation), patron=person)
    own_visits = HelpSession.objects.filter(pk__in=_keys_of(before, HelpSession), patron=person)
    shared_visits = HelpSession.objects.filter(shared_with=person).exclude(patron=into)
    shared_conversations = _conversations_shared_with(person, into)
    public_ids = [
        str(public_id)
        for rows in (own_conversations, own_visits, shared_visits, shared_conversations)
        for public_id in rows.values_list("public_id", flat=True)
    ]
    events = AuditEvent.objects.filter(patron=into, at__gt=since, subject__in=public_ids)
    LookingReason.objects.filter(event__in=events).update(patron=person)
    events.update(patron=person)


def _copy_new_holds(person, into, *, since, at):
    """Copy newer holds from the record `into` to the restored record.

    A hold is newer if it was set after the merge. Both records then have the hold, because the coordinator
    may have meant either person.
    """
    rows = LegalHold.objects.select_for_update(no_key=True).filter(person=into, set_at__gt=since)
    for legal_hold in rows.order_by("pk"):
        holds.copy_hold(legal_hold, person, at=at)


def _copy_new_wishes(person, into, *, since, own):
    """Save in both records what was recorded after the merge: a choice about check-ins, or a death.

    Either person may have made the choice. So each record gets the choice that allows less: the new choice,
    or the record's choice from before the merge. `own` is the earlier choice of the record `into`.
    """
    # The old values were restored only in the database. The object `into` doesn't have them, so read the row
    # again.
    now = User.objects.get(pk=into.pk)
    said = Consent.objects.filter(person=into, purpose=Consent.Purpose.CHECK_INS, given_at__gt=since).first()
    if said:
        choice, titles = now.check_ins, now.check_in_titles
        for record, before in ((now, own), (person, person.check_ins)):
            record.check_ins = min(before, choice, key=LESS_FIRST.index)
            record.check_in_titles = record.check_in_titles and titles and record.check_ins == "email"
        if person.check_ins == choice:
            said.pk, said.person, said.subject = None, person, person.public_id
            said.save(force_insert=True)
    if now.died_at and now.died_at > since:
        person.died_at = person.died_at or now.died_at
    for record in (now, person):
        record.save(update_fields=["check_ins", "check_in_titles", "died_at"])


def _end_new_access(into, *, since):
    """Delete what was added after the merge and could open the record `into`.

    These are sign-ins, passkeys, single sign-on accounts and pending changes of address. The person with the
    other record may have added them. This person must no longer be able to open the record `into`. Earlier
    sign-ins are not deleted, because the owner of `into` may have no other way to sign in.
    """
    for sign_in in UserSession.objects.filter(user=into, created_at__gt=since):
        end_sign_in_elsewhere(sign_in)
    added = AuditEvent.objects.filter(action="added_passkey", patron=into, at__gt=since)
    into.passkeys.filter(public_id__in=list(added.values_list("subject", flat=True))).delete()
    SocialAccount.objects.filter(user=into, date_joined__gt=since).delete()
    AddressChange.objects.filter(person=into, begun_at__gt=since).delete()


def _end_new_links(person, into, *, since, at):
    """End the links to lists that were made after the merge, and delete their addresses.

    Either person may have made these links. A person must no longer be able to open a list of the other
    person.
    """
    links = ListLink.objects.filter(saved_list__patron__in=[person, into], made_at__gt=since, ended_at=None)
    links.filter(ends_at__gt=at).update(ends_at=at, token_hmac=None, token_sealed="")


def _refresh_conversations(conversations):
    """Make open pages load these conversations again, and update the desk's search and the queues."""
    Conversation.objects.filter(pk__in=[conversation.pk for conversation in conversations]).update(
        version=F("version") + 1, desk_version=F("desk_version") + 1
    )
    for conversation in conversations:
        if conversation.merged_into_id is None and conversation.status != Conversation.Status.ERASED:
            search.index_conversation(conversation)
    for branch_id in sorted({conversation.branch_id for conversation in conversations}):
        raise_queue(branch_id)
