"""Merge two records of the same person. For example, one has the library card, the other an email address.

First, the person must prove that both records are theirs, or a staff member must confirm this.
"""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import F, ForeignObjectRel, Max, Min
from django.utils import timezone

from accounts import audit
from accounts.models import AddressChange, User
from accounts.patron.check_ins import more_private
from accounts.sign_in.sign_ins import end_all_sign_ins
from portal.checkins.models import CheckIn
from portal.conversations import drafts, search
from portal.conversations.changes import raise_queue
from portal.conversations.models import Conversation, Draft, NoteMention, Participation
from portal.helpsessions.models import HelpSession
from portal.lists.links import working_links
from portal.lists.models import SavedItem, SavedList
from portal.lists.own_lists import numbered
from portal.lists.own_words import combine
from portal.notifications.models import FailingAddress, NoticeChoice, NoticeTimes, Notification

from .locks import lock_person_rows


class CannotMerge(Exception):
    """The two records can't be merged now.

    Either `may_merge_people` returns False, or a change of the email address of the record `going` is
    pending. After a merge, the owner of the old address could not stop that change.
    """


@dataclass(frozen=True)
class Moving:
    """The numbers of rows that move from one record to the other when the records are merged."""

    visits: int
    conversations: int
    saved_items: int

    def __bool__(self):
        return bool(self.visits or self.conversations or self.saved_items)


def may_merge_people(going, into):
    """Return whether the record `going` may be merged into `into`.

    A staff record can't be merged into another record. A child's record is never merged with an adult's
    record. Otherwise, a parent with the child's device could take over all of the child's data. If a child
    has grown up, staff first turn the child's record into an ordinary record.
    """
    return (
        going.pk != into.pk
        and going.is_active
        and into.is_active
        and not going.is_staff
        and going.is_child == into.is_child
    )


def what_moves(going):
    """Count what a merge would move from this record. The confirmation page shows these counts."""
    conversations = Conversation.objects.filter(patron=going, last_message_at__isnull=False)
    return Moving(
        visits=HelpSession.objects.filter(patron=going).count(),
        conversations=conversations.not_merged().count(),
        saved_items=SavedItem.objects.in_lists().filter(saved_list__patron=going).count(),
    )


@transaction.atomic
def merge_people(going, into, *, by, at):
    """Move everything from the record `going` to the record `into`. Delete `going`, and return `into`.

    The name and the email address of `going` move only if `into` has none. The owner of `going` is signed out
    on all devices. Two audit events, one about each record, name `into` as the patron. Only the module
    `unmerging` can undo the merge. Raises CannotMerge.
    """
    lock_person_rows(going, into)
    # select_for_update() stops other transactions from adding rows that point to these two people.
    locked = User.objects.select_for_update().filter(pk__in=[going.pk, into.pk]).order_by("pk")
    people = {person.pk: person for person in locked}
    if (
        len(people) < 2
        or not may_merge_people(people[going.pk], people[into.pk])
        or AddressChange.objects.filter(person=going).exists()
    ):
        raise CannotMerge
    by = into if by.pk == going.pk else by
    going, into = people[going.pk], people[into.pk]
    audit.record("merged_people", going, by=by, patron=into, at=at)
    audit.record("merged_people", into, by=by, patron=into, at=at)
    conversations = list(Conversation.objects.filter(patron=going).values_list("pk", "branch"))
    _end_sharing_between(going, into)
    for model, field in references():
        move = MERGED_BY.get((model._meta.label, field), _move)
        move(going, into, model, field)
    _take_name_and_address(going, into)
    going.delete()
    _refresh_conversations(conversations)
    return into


def references():
    """Return [(model, field name)] for the foreign keys to a person, also in models of other packages."""
    relations = [
        relation
        for relation in User._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and not relation.many_to_many
    ]
    return [(relation.related_model, relation.field.name) for relation in relations]


def _end_sharing_between(going, into):
    """End the sharing of each visit that one of the two records shares with the other."""
    both = [going, into]
    shared = HelpSession.objects.filter(patron__in=both, shared_with__in=both)
    shared.update(shared_with=None, shared_at=None)


def _refresh_conversations(conversations):
    """Make open pages load these conversations again, and update the desk's search and the queues.

    `conversations` is a list of (primary key, branch id).
    """
    moved = Conversation.objects.filter(pk__in=[pk for pk, _branch in conversations])
    moved.update(version=F("version") + 1, desk_version=F("desk_version") + 1)
    for conversation in moved.not_merged().exclude(status=Conversation.Status.ERASED):
        search.index_conversation(conversation)
    for branch_id in sorted({branch for _pk, branch in conversations}):
        raise_queue(branch_id)


def _take_name_and_address(going, into):
    """Fill the empty fields of the record `into` with the values of the record `going`.

    The fields are the name, the language, the email address and the retention choice. About check-ins, `into`
    gets the more private choice of the two.
    """
    into.name, into.language = into.name or going.name, into.language or going.language
    address = going.email
    if into.email is None and address:
        User.objects.filter(pk=going.pk).update(email=None)
        into.email = address
        EmailAddress.objects.filter(user=going, email=address).update(user=into)
        # If notices to the moved address have been stopped, they are still stopped after the merge.
        FailingAddress.objects.filter(person=into).delete()
        FailingAddress.objects.filter(person=going, email=address).update(person=into)
    choice = ["remember", "remember_until", "remember_chosen_at"]
    if into.remember_chosen_at is None:
        for name in choice:
            setattr(into, name, getattr(going, name))
    into.has_shared_visits = into.has_shared_visits or going.has_shared_visits
    into.check_ins = more_private(into.check_ins, going.check_ins)
    into.check_in_titles = into.check_in_titles and going.check_in_titles
    into.died_at = into.died_at or going.died_at
    sent = [time for time in (into.check_in_sent_at, going.check_in_sent_at) if time]
    into.check_in_sent_at = max(sent, default=None)
    check_ins = ["check_ins", "check_in_titles", "died_at", "check_in_sent_at"]
    into.save(update_fields=["name", "language", "email", "has_shared_visits", *choice, *check_ins])


# Each function below merges the rows of one foreign key. `model` and `field` name the foreign key.


def _move(going, into, model, field):
    model._base_manager.filter(**{field: going}).update(**{field: into})


def _leave_to_end(going, into, model, field):
    """Don't move the rows. They are deleted together with the record `going`."""


def _end_sign_ins(going, into, model, field):
    end_all_sign_ins(going)


def _merge_participations(going, into, model, field):
    """Move reading positions. If both people have read the same conversation, keep the later position."""
    own_rows = {(row.conversation_id, row.side): row for row in Participation.objects.filter(person=into)}
    for row in Participation.objects.filter(person=going):
        own = own_rows.get((row.conversation_id, row.side))
        if own is None:
            row.person = into
            row.save(update_fields=["person"])
        else:
            own.read_until = max(filter(None, [own.read_until, row.read_until]), default=None)
            own.save(update_fields=["read_until"])


def _merge_drafts(going, into, model, field):
    """Move drafts, and merge two drafts of the same kind in the same conversation, with their files."""
    for draft in Draft.objects.filter(person=going):
        own = Draft.objects.filter(
            person=into, conversation=draft.conversation, side=draft.side, kind=draft.kind
        ).first()
        if own is None:
            draft.person = into
            draft.save(update_fields=["person"])
        else:
            drafts.append(draft, to=own)


def _merge_lists(going, into, model, field):
    """Move saved lists to the record `into`.

    If `into` has a list with the same name, move only the missing items to that list. Removed lists move
    unchanged.

    Don't combine two lists if a link to one of them works. Otherwise, visitors would see titles that the
    patron didn't see in the preview of the link. Instead, add a number to the name of the moved list.
    """
    at = timezone.now()
    shared = {link.saved_list_id for each in (going, into) for link in working_links(each, at)}
    for saved_list in SavedList.objects.filter(patron=going):
        own = SavedList.objects.of_patron(into).filter(name=saved_list.name).first()
        if own is not None and not saved_list.removed_at and shared & {own.pk, saved_list.pk}:
            # The new name must also differ from the names of the other lists of `going`, because these lists
            # keep their names.
            others = SavedList.objects.filter(patron__in=[going, into], removed_at=None)
            saved_list.name = numbered(saved_list.title, {each.title.casefold() for each in others})
            saved_list.patron = into
            saved_list.save(update_fields=["name", "patron"])
        elif own is None or saved_list.removed_at:
            saved_list.patron = into
            saved_list.save(update_fields=["patron"])
        else:
            _merge_saved_items(saved_list, own)


def _merge_saved_items(saved_list, own):
    """Move items to the end of the list `own`.

    If an item is in both lists, combine what the patron has noted about it.
    """
    in_own = {saved.item_id: saved for saved in own.saved_items.in_lists().filter(item__isnull=False)}
    in_both = saved_list.saved_items.in_lists().filter(item__in=list(in_own))
    for saved in in_both:
        combine(saved, into=in_own[saved.item_id])
    moving = saved_list.saved_items.exclude(pk__in=[saved.pk for saved in in_both])
    last, first = (
        rows.aggregate(each=each("position"))["each"] or 0
        for rows, each in ((own.saved_items, Max), (moving, Min))
    )
    moving.update(saved_list=own, position=F("position") + last + 1 - first)
    # A list with a working link is never combined with another list. So all links that move here have ended.
    saved_list.links.update(saved_list=own)


def _move_passkeys(going, into, model, field):
    """Move passkeys, but not to a staff record.

    The passkeys of the record `going` were added without a second factor, so they must not open the desk.
    """
    if not into.is_staff:
        _move(going, into, model, field)


def _move_mentions(going, into, model, field):
    own_notes = NoteMention.objects.filter(person=into).values("note")
    NoteMention.objects.filter(person=going).exclude(note__in=own_notes).update(person=into)


def _move_notice_choices(going, into, model, field):
    """Move each choice about a kind of notice, unless the record `into` has a choice for that kind."""
    own = NoticeChoice.objects.filter(person=into).values("kind")
    NoticeChoice.objects.filter(person=going).exclude(kind__in=own).update(person=into)


def _move_notice_times(going, into, model, field):
    if not NoticeTimes.objects.filter(person=into).exists():
        NoticeTimes.objects.filter(person=going).update(person=into)


def _move_check_ins(going, into, model, field):
    """Move the check-ins. The patron can still answer with a link from an email that was delivered.

    The link of an email that waits in the outbox stops working. So the worker drops this email, and plans the
    check-in again for the record `into`.
    """
    waiting = Notification.objects.exclude(state=Notification.State.DELIVERED).exclude(message_id="")
    asked = CheckIn.objects.filter(asked=going)
    asked.filter(message_id__in=waiting.values("message_id")).update(token_hmac=None)
    asked.update(asked=into)


# The foreign keys whose rows can't simply be moved, each with the function that handles its rows.
MERGED_BY = {
    # If the record `into` gets the email address of `going`, _take_name_and_address moves the row of this
    # address.
    ("account.EmailAddress", "user"): _leave_to_end,
    # No row exists at this point, because merge_people refuses a record with a pending change of address.
    ("accounts.AddressChange", "person"): _leave_to_end,
    ("incoming.EmailReader", "person"): _leave_to_end,
    # If the record `into` gets the email address of `going`, _take_name_and_address also moves the failures
    # of this address.
    ("notifications.FailingAddress", "person"): _leave_to_end,
    ("accounts.Absence", "person"): _leave_to_end,
    ("accounts.Absence", "cover"): _leave_to_end,
    ("accounts.DeskPin", "person"): _leave_to_end,
    ("accounts.Invitation", "invited_by"): _leave_to_end,
    ("accounts.PinTries", "person"): _leave_to_end,
    ("accounts.SharedDesk", "unlocked_by"): _leave_to_end,
    # If the record `into` gets the name of `going`, User.save() indexes the words of the name again.
    ("accounts.NameWord", "person"): _leave_to_end,
    ("accounts.Passkey", "person"): _move_passkeys,
    ("accounts.StaffRole", "user"): _leave_to_end,
    ("checkins.CheckIn", "asked"): _move_check_ins,
    ("conversations.Draft", "person"): _merge_drafts,
    ("conversations.NoteMention", "person"): _move_mentions,
    ("conversations.Participation", "person"): _merge_participations,
    ("helpsessions.AccountCode", "person"): _leave_to_end,
    # A staff record is never merged into another record. If `going` has an own kit, it is from a former role.
    ("kits.Kit", "owner"): _leave_to_end,
    ("imports.LogUpload", "person"): _leave_to_end,
    ("lists.SavedList", "patron"): _merge_lists,
    ("mfa.Authenticator", "user"): _leave_to_end,
    # An export of the record `going` lacks the data of `into`, so it would be incomplete after the merge.
    ("privacy.Export", "person"): _leave_to_end,
    ("privacy.UnfinishedCorrection", "by"): _leave_to_end,
    ("notifications.DeskUse", "person"): _leave_to_end,
    ("notifications.NoticeChoice", "person"): _move_notice_choices,
    ("notifications.NoticeTimes", "person"): _move_notice_times,
    # The sign-ins of the record `going` end, and so do its push subscriptions.
    ("notifications.PushSubscription", "person"): _leave_to_end,
    ("usersessions.UserSession", "user"): _end_sign_ins,
}
