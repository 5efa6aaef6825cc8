"""Read and change the lists from which staff choose: patron groups and service points."""

import re

from django.db.models import BigAutoField, DateTimeField, Value
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.models import Library, LibraryCard
from accounts.staff_actions import staff_action
from portal.folding import fold
from portal.prepared import prepared

from .models import OwnField, OwnValue, PatronGroup, ServicePoint, TallyKind

# The stored name of the patron group *Other*. Pages show this name in their own language.
OTHER = "Other"
# The maximum number of patron groups. With more groups, a group would soon describe one person.
MAX_GROUPS = 12
# The maximum number of kinds of tallies at one service point.
MAX_KINDS = 12
# The maximum number of own fields of a library, and the maximum number of values of one own field.
MAX_FIELDS, MAX_VALUES = 5, 20
# The page that counts contacts uses these keys itself, so no kind of tally can have them.
RESERVED_KEYS = frozenset("tvz")
# Groups with these words could describe a patron's health, housing, immigration, race, religion or exact age.
# The words are English and Spanish, without accents. Most of them are beginnings of words.
SENSITIVE = re.compile(
    r"\b(health|medic|ill\b|sick|disease|mental|addict|pregnan|disab|handicap|blind|deaf|autis|hiv\b|patient"
    r"|dementia|alzheimer|cancer|diabet|wheelchair|hospital|rehab|recovery|clinic|depress"
    r"|homeless|unhoused|shelter|housing|evict|tenan|foster|halfway|transient"
    r"|immigra|migra|asylum|refugee|undocument|citizen|visas?\b|foreign|newcomer|daca\b|green card"
    r"|race\b|racial|ethnic|black\b|white\b|latin|hispanic|asian|african|indigen|native|tribal|roma\b"
    r"|arab|chican|minorit|aborigin|inuit|caucasian|pacific island"
    r"|religio|christian|catholic|muslim|islam|jew|hindu|buddh|church|mosque|faith"
    r"|sikh|mormon|protestant|evangel|orthodox|amish|atheis|parish|synagogue|temple"
    r"|ages?\b|aged\b|years?\b|born|birth|\d"
    r"|salud|enferm|adicci|embaraz|discapa|ciego|sordo|paciente|demencia|silla de ruedas|clinica"
    r"|sin hogar|sin techo|sin casa|albergue|vivienda|desaloj|extranjer|recien llegad|minoria|gitan|mestiz"
    r"|evangelic|ateo|sinagoga"
    r"|inmigra|asilo|refugi|indocument|ciudadan|raza|racial|etnia|etnic|negr[oa]|blanc[oa]|hispan|asiatic"
    r"|african|cristian|catolic|musulman|judi|iglesia|mezquita|edad|anos\b|nacid)"
)


class NameTaken(Exception):
    """Another choice of the list has this name. The other choice may be retired."""


class TooMany(Exception):
    """The list already has the maximum number of choices."""


class KindsChanged(Exception):
    """A colleague has added or removed a kind of tallies since the kinds were read. Nothing was saved."""


class CardGroupTaken(Exception):
    """A group on library cards is already mapped to another patron group.

    The argument of the exception is the name of the group on the cards.
    """


def sounds_sensitive(name):
    """Return whether this name of a patron group probably says something private about the patron."""
    return bool(SENSITIVE.search(fold(name)))


# The functions below read what staff can choose.


def offered_groups():
    """Return the patron groups that staff can choose. *Other* is the last one.

    The list is empty if the library offers no patron groups of its own.
    """
    groups = _offered_groups()
    return groups if any(not group.is_other for group in groups) else []


@prepared()
def _offered_groups():
    return PatronGroup.objects.offered()


@prepared(branches=BigAutoField())
def offered_points(branches):
    """Return the service points of these branches that staff can choose."""
    return ServicePoint.objects.offered().filter(branch__in=branches).select_related("branch")


@prepared()
def offered_values():
    """Return the values of the library's own fields that staff can choose, field by field."""
    offered = OwnValue.objects.offered().filter(field__retired_at=None)
    return offered.select_related("field")


def names_of_values(own_values):
    """Return [(name of the field, name of the value)] for HelpSession.own_values."""
    values = OwnValue.objects.filter(pk__in=own_values.values()).order_by(*OwnValue.ORDER)
    return list(values.values_list("field__name", "name")) if own_values else []


def group_from_card(person):
    """Return the patron group for the group that the person's library card names.

    If the library has not mapped the card's group, return *Other*. Return None if the library counts no
    groups, or if no card of the person names a group.
    """
    groups = offered_groups()
    if not groups:
        return None
    cards = LibraryCard.objects.filter(person=person).exclude(patron_group="")
    on_card = cards.values_list("patron_group", flat=True).first()
    if on_card is None:
        return None
    mapped = {name.casefold(): group for group in groups for name in group.card_groups}
    return mapped.get(on_card.strip().casefold(), groups[-1] if groups[-1].is_other else None)


def point_named(name, branch_id):
    """Return the service point of the branch that has this name, or None."""
    points = offered_points(branches=[branch_id])
    return next((point for point in points if point.name.casefold() == name.casefold()), None)


# The functions below change the lists of the whole library.


def _lock_lists():
    """Lock the lists until the transaction ends.

    Otherwise two coordinators could both find that a name is free, and save it at the same moment.
    """
    Library.objects.select_for_update(no_key=True).get()


@staff_action
def save_group(group, *, name, card_groups, by, at):
    """Change the patron group, or add one if `group` is None. Return the group.

    Raises NameTaken, TooMany and CardGroupTaken. Past help sessions show the new name too.
    """
    _lock_lists()
    _check_group_name(name, but=group)
    _check_card_groups(card_groups, but=group)
    if group is None:
        _check_room()
        PatronGroup.objects.get_or_create(is_other=True, defaults={"name": OTHER})
        group = PatronGroup()
    group.name, group.card_groups = name, card_groups
    group.save()
    audit.record("changed_library", Library.current(), by=by, at=at)
    return group


@staff_action
def retire_group(group, *, by, at):
    """Stop offering the group. Past help sessions keep the group."""
    PatronGroup.objects.filter(pk=group.pk).update(retired_at=at)
    audit.record("changed_library", Library.current(), by=by, at=at)


@staff_action
def bring_back_group(group, *, by, at):
    """Offer a retired group again. Raises TooMany and CardGroupTaken."""
    _lock_lists()
    _check_room()
    _check_card_groups(PatronGroup.objects.get(pk=group.pk).card_groups, but=group)
    PatronGroup.objects.filter(pk=group.pk).update(retired_at=None)
    audit.record("changed_library", Library.current(), by=by, at=at)


def _check_room():
    if PatronGroup.objects.filter(is_other=False, retired_at=None).count() >= MAX_GROUPS:
        raise TooMany


def _check_group_name(name, *, but):
    others = PatronGroup.objects.exclude(pk=but and but.pk)
    if others.filter(name__iexact=name).exists() or name.casefold() in {OTHER.casefold(), "otro"}:
        raise NameTaken


def _check_card_groups(card_groups, *, but):
    wanted = {name.casefold(): name for name in card_groups}
    for other in PatronGroup.objects.filter(retired_at=None).exclude(pk=but and but.pk):
        for name in other.card_groups:
            if name.casefold() in wanted:
                raise CardGroupTaken(name)


@staff_action
def save_point(point, *, branch, name, by, at):
    """Change the service point, or add one to the branch if `point` is None. Raises NameTaken."""
    _lock_lists()
    others = ServicePoint.objects.filter(branch=branch).exclude(pk=point and point.pk)
    if others.filter(name__iexact=name).exists():
        raise NameTaken
    point = point or ServicePoint(branch=branch)
    point.name = name
    point.save()
    audit.record("changed_branch", branch, by=by, at=at)
    return point


@staff_action
def offer_point(point, *, is_offered, by, at):
    """Offer the service point for new help sessions, or stop offering it. Past help sessions keep it."""
    ServicePoint.objects.filter(pk=point.pk).update(retired_at=None if is_offered else at)
    audit.record("changed_branch", point.branch, by=by, at=at)


@staff_action
def save_kinds(point, *, kinds, seen, by, at):
    """Save the kinds of tallies of a service point. Kinds that are not in `kinds` are no longer offered.

    `kinds` is [(TallyKind, or None for a new kind, name, key)]. A new kind with the name of a kind that is no
    longer offered brings that kind back.

    `seen` has the kinds that were offered when `kinds` was made. Raises KindsChanged if they have changed.
    """
    _lock_lists()
    if {kind.pk for kind in seen} != set(point.tally_kinds.offered().values_list("pk", flat=True)):
        raise KindsChanged
    kept = [kind.pk for kind, _name, _key in kinds if kind]
    TallyKind.objects.filter(service_point=point).exclude(pk__in=kept).update(
        retired_at=Coalesce("retired_at", Value(at, output_field=DateTimeField())), key=""
    )
    # Keys and names must be unique. So clear them first, or else two kinds couldn't swap their keys or names.
    for kind, _name, _key in kinds:
        if kind:
            TallyKind.objects.filter(pk=kind.pk).update(key="", name=f"#{kind.pk}")
    for kind, name, key in kinds:
        retired = TallyKind.objects.filter(service_point=point, name__iexact=name, retired_at__lte=at)
        known = kind or retired.first()
        kind = known or TallyKind(service_point=point)
        kind.name, kind.key, kind.retired_at = name, key, None
        kind.save()
    audit.record("changed_branch", point.branch, by=by, at=at)


@staff_action
def save_field(field, *, name, values, by, at):
    """Change one of the library's own fields, or add one if `field` is None. Raises NameTaken and TooMany.

    `values` are the names of its values. Values that are not among them are no longer offered. Help sessions
    keep them.
    """
    _lock_lists()
    if OwnField.objects.filter(name__iexact=name).exclude(pk=field and field.pk).exists():
        raise NameTaken
    if field is None:
        _check_room_for_field()
        field = OwnField()
    field.name = name
    field.save()
    known = {value.name.casefold(): value for value in field.values.all()}
    for value_name in values:
        value = known.pop(value_name.casefold(), None) or OwnValue(field=field)
        value.name, value.retired_at = value_name, None
        value.save()
    for value in known.values():
        if value.retired_at is None:
            value.retired_at = at
            value.save()
    audit.record("changed_library", Library.current(), by=by, at=at)
    return field


@staff_action
def offer_field(field, *, is_offered, by, at):
    """Show the field in the record form, or stop showing it. Sessions keep its values. Raises TooMany."""
    _lock_lists()
    if is_offered:
        _check_room_for_field()
    OwnField.objects.filter(pk=field.pk).update(retired_at=None if is_offered else at)
    audit.record("changed_library", Library.current(), by=by, at=at)


def _check_room_for_field():
    if OwnField.objects.filter(retired_at=None).count() >= MAX_FIELDS:
        raise TooMany
