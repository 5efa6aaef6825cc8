"""Take a snapshot of rows before two records are merged, so that the merge can be undone.

The snapshot is stored as JSON in `MergedRecords.before`. A row is {column: value}. If JSON can't represent a
value, the snapshot has the text from the field's `value_to_string`. The text of a time includes microseconds.
"""

from allauth.account.models import EmailAddress
from django.apps import apps

from accounts.models import User
from portal.conversations.models import Attachment, Draft, Participation
from portal.helpsessions.models import HelpSession
from portal.lists.models import ListLink, SavedItem, SavedList

from .merging import MERGED_BY, references

# The models whose rows are not restored when a merge is undone, because the person can easily make new ones.
# For example, they can sign in again, set a new PIN or ask for a new export. The rows for the search by name
# are built again from the names.
NOT_RESTORED = {
    "usersessions.UserSession",
    "privacy.Export",
    "privacy.UnfinishedCorrection",
    "accounts.DeskPin",
    "notifications.PushSubscription",
    "accounts.NameWord",
    "accounts.PinTries",
    "accounts.SharedDesk",
}
# The snapshot stores links to lists without their tokens. If the patron ends a link after the merge, nothing
# may contain its token. A merge deletes no link, so undoing the merge needs no token.
WITHOUT_SECRETS = {"token_hmac": None, "token_sealed": ""}


def as_json(row):
    """Return the whole row as {column: value}."""
    columns = {}
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        if value is None or isinstance(value, (bool, int, str, dict, list)):
            columns[field.attname] = value
        else:
            columns[field.attname] = field.value_to_string(row)
    return columns


def from_json(model, columns):
    """Return the row that `as_json` stored, as an unsaved object."""
    return model(**{name: value_of(model, name, value) for name, value in columns.items()})


def value_of(model, column, value):
    """Convert the stored value of one column to Python."""
    if value is None:
        return None
    field = next(field for field in model._meta.concrete_fields if field.attname == column)
    return field.to_python(value)


def current(label, columns):
    """Return a queryset with the current state of the stored row. It is empty if the row was deleted."""
    model = apps.get_model(label)
    return model._base_manager.filter(pk=columns[model._meta.pk.attname])


def moved_keys(going):
    """Return [label, field, primary keys] for the rows that a merge moves without any other change."""
    moved = []
    for model, field in references():
        if (model._meta.label, field) not in MERGED_BY:
            keys = list(model._base_manager.filter(**{field: going}).values_list("pk", flat=True))
            moved += [[model._meta.label, field, keys]] if keys else []
    return moved


def own_rows(going):
    """Return [label, field, row] for the rows of the record `going` that a merge can't simply move.

    The merge may delete such a row, or combine it with a row of the other person. The items and links of a
    list come after the list.
    """
    rows = []
    for model, field in references():
        if (model._meta.label, field) in MERGED_BY and model._meta.label not in NOT_RESTORED:
            found = model._base_manager.filter(**{field: going}).order_by("pk")
            rows += [[model._meta.label, field, as_json(row)] for row in found]
    items = SavedItem.objects.filter(saved_list__patron=going).order_by("pk")
    links = ListLink.objects.filter(saved_list__patron=going).order_by("pk")
    rows += [[SavedItem._meta.label, "", as_json(row)] for row in items]
    rows += [[ListLink._meta.label, "", as_json(row) | WITHOUT_SECRETS] for row in links]
    return rows


def rows_to_compare(going, into):
    """Return the rows that a merge may change but not delete. Call this function before the merge."""
    drafts = Draft.objects.filter(person=going)
    both = [going, into]
    return [
        *User.objects.filter(pk=into.pk),
        *HelpSession.objects.filter(patron__in=both, shared_with__in=both),
        *Participation.objects.filter(person=into),
        *Draft.objects.filter(person=into),
        # A merge can rename the lists that it moves, so compare these lists too.
        *SavedList.objects.filter(patron=going),
        *SavedItem.objects.filter(saved_list__patron=into),
        *Attachment.objects.filter(client_token__in=drafts.values("client_token"), message=None),
    ]


def changes_of(rows):
    """Return [label, primary key, {column: [before, after]}] for each of the `rows` that has changed.

    `rows` are from `rows_to_compare`.
    """
    changes = []
    for row in rows:
        now = type(row)._base_manager.filter(pk=row.pk).first()
        if now is not None:
            before, after = as_json(row), as_json(now)
            columns = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
            changes += [[row._meta.label, row.pk, columns]] if columns else []
    return changes


def email_of(person):
    """Return [address, whether it is verified], or [None, False] if the person has no address."""
    email = User.objects.filter(pk=person.pk).values_list("email", flat=True).first()
    return [email, EmailAddress.objects.filter(user=person, email=email, verified=True).exists()]
