"""Two records joined at the desk can be parted again for a day: what moved moves back, and what was melted together is as it was.

Before they are joined everything that points to the record that ends is written down (MergedRecords.before). What was said in its
conversations since then goes back with them.
"""

import datetime
from contextlib import suppress

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef

from accounts import audit
from accounts.models import AddressChange, AuditEvent, LookingReason, User
from accounts.staff_actions import lock_roles, staff_action
from portal.conversations import search
from portal.conversations.changes import raise_queue
from portal.conversations.models import Attachment, Conversation, Draft, Message, Participation, Side
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

from . import holds, sharing
from .merging import IN_THEIR_OWN_WAY, CannotMerge, lock_what_is_said, merge_people, references
from .models import LegalHold, MergedRecords

CAN_BE_UNMERGED_FOR = datetime.timedelta(hours=24)
# Whoever was signed in signs in again, has a new copy made, sets a new PIN.
ENDED = {
    "usersessions.UserSession",
    "privacy.Export",
    "accounts.DeskPin",
    "accounts.PinTries",
    "accounts.SharedDesk",
}


class CannotUnmerge(Exception):
    """It is too long ago, it was parted already, or one of them is no more."""


@transaction.atomic
def merge_for_a_day(going, into, *, by, at, proven=False):
    """merge_people, and a day to think better of it. Returns the MergedRecords. Raises CannotMerge, also where `by` is one of the two and hasn't
    `proven` to be both: what is a stranger's would become theirs, and what they then read nobody's to know."""
    if by.pk in (going.pk, into.pk) and not proven:
        raise CannotMerge
    if not proven:
        lock_roles(by)
    lock_what_is_said(going, into)
    list(User.objects.select_for_update().filter(pk__in=[going.pk, into.pk]).order_by("pk"))
    going, melting = User.objects.filter(pk=going.pk).first() or going, _melting(going, into)
    before = {
        "person": _written(going),
        "moved": _moved(going),
        "rows": _own_rows(going),
        "address": _address_of(into),
    }
    into = merge_people(going, into, by=by, at=at)
    before["melted"] = _what_changed(melting)
    before["ended"] = [[label, row] for label, _field, row in before["rows"] if not _now(label, row).exists()]
    return MergedRecords.objects.create(into=into, by=into if proven else by, merged_at=at, before=before)


@staff_action
def unmerge(joined, *, by, at):
    """The two are two again, the one that ended as it was. Returns it. Raises CannotUnmerge."""
    lock_what_is_said(joined.into)
    list(User.objects.select_for_update().filter(pk=joined.into_id))
    joined = (
        MergedRecords.objects.select_for_update(of=("self",))
        .select_related("into")
        .filter(pk=joined.pk)
        .first()
    )
    if joined is None or joined.merged_at <= at - CAN_BE_UNMERGED_FOR or not joined.into.is_active:
        raise CannotUnmerge
    into, before = joined.into, joined.before
    _unmelt(before["melted"])
    _give_back_address(into, before, since=joined.merged_at)
    person = _bring_back_person(before["person"])
    for label, field, keys in before["moved"]:
        apps.get_model(label)._base_manager.filter(pk__in=keys, **{field: into}).update(**{field: person})
    for label, row in before["ended"]:  # lists before what is on them
        _bring_back(label, row)
    for label, field, row in before["rows"]:
        _move_back(label, field, row, person, into)
    for visit in HelpSession.objects.filter(
        shared_with__in=[person, into], is_the_childs_alone=True
    ).order_by("pk"):
        sharing.end_by_itself(visit, at=at)  # the child's word since then: nobody comes back
    conversations = _conversations_of(before, person)
    _take_along_what_came_since([*conversations, *_conversations_shared_with(person, into)], person, into)
    _take_along_looks(before, person, into, since=joined.merged_at)
    _leave_holds_on_both(person, into, since=joined.merged_at, at=at)
    _shut_what_opened_since(into, joined.merged_at)
    shares = HelpSession.objects.filter(
        shared_with=OuterRef("pk")
    )  # either may have come to share a child's visit since
    User.objects.filter(pk__in=[into.pk, person.pk]).update(has_shared_visits=Exists(shares))
    Conversation.objects.filter(pk__in=[conversation.pk for conversation in conversations]).update(
        version=F("version") + 1, desk_version=F("desk_version") + 1
    )
    for conversation in conversations:
        if conversation.merged_into_id is None and conversation.status != Conversation.Status.ERASED:
            search.index_conversation(conversation)
    audit.record("unmerged_people", into, by=by, patron=into, at=at)
    audit.record("unmerged_people", person, by=by, patron=person, at=at)
    joined.delete()
    for branch_id in sorted({conversation.branch_id for conversation in conversations}):
        raise_queue(branch_id)
    return person


def can_be_unmerged(person, *, at):
    """What was joined into this person's record and can still be parted, the latest first."""
    return (
        MergedRecords.objects.filter(into=person, merged_at__gt=at - CAN_BE_UNMERGED_FOR)
        .select_related("by")
        .order_by("-merged_at", "-pk")
    )


def forget_merged_records(*, at):
    """For the worker: what can't be parted any more."""
    MergedRecords.objects.filter(merged_at__lte=at - CAN_BE_UNMERGED_FOR).delete()


def _written(row):
    """{column: value} of the whole row, in what JSON knows: times to the microsecond, which Django's own encoder cuts."""
    written = {}
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        written[field.attname] = (
            value
            if value is None or isinstance(value, (bool, int, str, dict, list))
            else field.value_to_string(row)
        )
    return written


def _read(model, written):
    return model(**{name: _value(model, name, value) for name, value in written.items()})


def _value(model, name, value):
    return (
        None
        if value is None
        else next(field for field in model._meta.concrete_fields if field.attname == name).to_python(value)
    )


def _moved(going):
    """[label, field, keys] of what is simply told a new name."""
    moved = []
    for model, field in references():
        if (model._meta.label, field) not in IN_THEIR_OWN_WAY:
            keys = list(model._base_manager.filter(**{field: going}).values_list("pk", flat=True))
            moved += [[model._meta.label, field, keys]] if keys else []
    return moved


def _own_rows(going):
    """[label, field, row] of what each person has one of, and of what ends with the record. What is on a list comes after the list."""
    rows = []
    for model, field in references():
        if (model._meta.label, field) in IN_THEIR_OWN_WAY and model._meta.label not in ENDED:
            rows += [
                [model._meta.label, field, _written(row)]
                for row in model._base_manager.filter(**{field: going}).order_by("pk")
            ]
    return rows + [
        [SavedItem._meta.label, "", _written(row)]
        for row in SavedItem.objects.filter(saved_list__patron=going).order_by("pk")
    ]


def _melting(going, into):
    """The rows of `into` that may become more than they were, and the files of drafts, as they are."""
    drafts = Draft.objects.filter(person=going)
    return [
        *User.objects.filter(pk=into.pk),
        *HelpSession.objects.filter(patron__in=[going, into], shared_with__in=[going, into]),
        *Participation.objects.filter(person=into),
        *Draft.objects.filter(person=into),
        *Attachment.objects.filter(client_token__in=drafts.values("client_token"), message=None),
    ]


def _what_changed(rows):
    """[label, key, {column: [before, after]}] of these rows, which are as they were before."""
    changed = []
    for row in rows:
        now = type(row)._base_manager.filter(pk=row.pk).first()
        if now is not None:
            was, became = _written(row), _written(now)
            columns = {name: [was[name], became[name]] for name in was if was[name] != became[name]}
            changed += [[row._meta.label, row.pk, columns]] if columns else []
    return changed


def _unmelt(melted):
    """What the joining changed, and nobody since, is as it was before."""
    for label, key, columns in melted:
        model = apps.get_model(label)
        row = model._base_manager.filter(pk=key).first()
        if row is not None:
            is_now = _written(row)
            back = {
                name: _value(model, name, was)
                for name, (was, became) in columns.items()
                if is_now[name] == became
            }
            model._base_manager.filter(pk=key).update(**back)


def _address_of(person):
    """[address, whether a code was read there] of the row as it is now; [None, False] without one."""
    email = User.objects.filter(pk=person.pk).values_list("email", flat=True).first()
    return [email, EmailAddress.objects.filter(user=person, email=email, verified=True).exists()]


def _give_back_address(into, before, *, since):
    """An address that came since may be the other one's, and would let them in: it is the one from before again, or none."""
    if _address_of(into)[0] == before["address"][0]:
        return
    email, is_proven = before["address"]
    if User.objects.filter(email=email).exclude(pk=into.pk).exists():
        email = None  # somebody has made it their own since
    User.objects.filter(pk=into.pk).update(email=email)
    going_back = [row["id"] for label, _field, row in before["rows"] if label == EmailAddress._meta.label]
    EmailAddress.objects.filter(user=into).exclude(pk__in=going_back).exclude(email=email).delete()
    if email:
        EmailAddress.objects.get_or_create(
            user=into, email=email, defaults={"primary": True, "verified": is_proven}
        )


def _bring_back_person(written):
    person = _read(User, written)
    if person.email and User.objects.filter(email=person.email).exists():
        person.email = None  # whoever it was joined with has made it their own since
    person.save_base(force_insert=True)
    return person


def _now(label, written):
    model = apps.get_model(label)
    return model._base_manager.filter(pk=written[model._meta.pk.attname])


def _move_back(label, field, written, person, into):
    """A row that was moved in its own way is the person's again, if it is still there."""
    if label == SavedItem._meta.label:
        _now(label, written).filter(saved_list__patron=into).exclude(
            saved_list=written["saved_list_id"]
        ).update(saved_list=written["saved_list_id"])
    elif label == EmailAddress._meta.label and person.email and not _now(label, written).exists():
        _bring_back(label, written)  # another took its place since
    elif label != EmailAddress._meta.label or person.email is not None:
        _now(label, written).filter(**{field: into}).update(**{field: person})


def _bring_back(label, written):
    """A row that ended when the records were joined is there again. What it was about may be gone since, or be there in another way."""
    row = _read(apps.get_model(label), written)
    for (
        field
    ) in row._meta.concrete_fields:  # the database would only say so at the very end, when all of it is lost
        if field.is_relation and getattr(row, field.attname) is not None and not _is_there(field, row):
            if not field.null:
                return
            setattr(row, field.attname, None)
    with suppress(IntegrityError), transaction.atomic():
        row.save_base(raw=True, force_insert=True)


def _is_there(field, row):
    return field.related_model._base_manager.filter(
        **{field.target_field.attname: getattr(row, field.attname)}
    ).exists()


def _conversations_of(before, person):
    keys = [
        key
        for label, field, found in before["moved"]
        if (label, field) == (Conversation._meta.label, "patron")
        for key in found
    ]
    return list(Conversation.objects.filter(pk__in=keys, patron=person).order_by("pk"))


def _conversations_shared_with(person, into):
    """Those of the visits that they hold as the adult beside a child again."""
    return Conversation.objects.filter(help_session__shared_with=person).exclude(patron=into).order_by("pk")


def _take_along_what_came_since(conversations, person, into):
    """What was said, read, typed and given in these conversations since they were joined is of the one whose conversations they are again."""
    in_conversations = {"conversation__in": conversations}
    Message.objects.filter(**in_conversations, side=Side.PATRON, author=into).update(author=person)
    Attachment.objects.filter(**in_conversations, side=Side.PATRON, added_by=into).update(added_by=person)
    Recommendation.objects.filter(
        messagerecommendation__message__conversation__in=conversations, patron=into
    ).update(patron=person)
    for rows in (Participation, Draft):
        own = rows.objects.filter(person=person, side=Side.PATRON, **in_conversations).values_list(
            "conversation", flat=True
        )
        rows.objects.filter(**in_conversations, person=into, side=Side.PATRON).exclude(
            conversation__in=list(own)
        ).update(person=person)


def _take_along_looks(before, person, into, *, since):
    """Who looked at a conversation or a visit since is told to the one whose it is again."""
    ids = []
    for model in (Conversation, HelpSession):
        keys = [
            key
            for label, field, found in before["moved"]
            if (label, field) == (model._meta.label, "patron")
            for key in found
        ]
        ids += [
            str(public_id)
            for public_id in model.objects.filter(pk__in=keys, patron=person).values_list(
                "public_id", flat=True
            )
        ]
    shared = HelpSession.objects.filter(shared_with=person).exclude(patron=into)
    for found in (shared, _conversations_shared_with(person, into)):
        ids += [str(public_id) for public_id in found.values_list("public_id", flat=True)]
    looks = AuditEvent.objects.filter(patron=into, at__gt=since, subject__in=ids)
    LookingReason.objects.filter(event__in=looks).update(patron=person)
    looks.update(patron=person)


def _leave_holds_on_both(person, into, *, since, at):
    """A hold that was set while they were one may mean either of them."""
    for found in (
        LegalHold.objects.select_for_update(no_key=True).filter(person=into, set_at__gt=since).order_by("pk")
    ):
        holds.leave(found, person, at=at)


def _shut_what_opened_since(into, since):
    """Whoever signed in since may have shown that they are the other one, by an address, a card, a passkey or single sign-on that is the
    other's again: they are out, with the passkeys and the single sign-on that came since. Who was signed in before stays so, as a person
    may have nothing else to come back with."""
    for signed_in in UserSession.objects.filter(user=into, created_at__gt=since):
        signed_in.end()
    added = AuditEvent.objects.filter(action="added_passkey", patron=into, at__gt=since).values_list(
        "subject", flat=True
    )
    into.passkeys.filter(public_id__in=list(added)).delete()
    SocialAccount.objects.filter(user=into, date_joined__gt=since).delete()
    AddressChange.objects.filter(person=into, begun_at__gt=since).delete()
