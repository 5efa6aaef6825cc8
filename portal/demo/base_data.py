"""Add everything that exists before the first visit: the library, its people and its items."""

import datetime
from collections import Counter

from allauth.account.models import EmailAddress

import accounts.library
from accounts import branch_codes
from accounts.ils import fake
from accounts.models import Library, User
from accounts.patron.people import person_with_address, person_without_address
from accounts.sign_in.library_cards import person_with_card
from accounts.staff import absences, invitations, roles
from portal.conversations import reply_templates
from portal.helpsessions import choices
from recommendations.actions import add_item, place_item
from recommendations.topics import add_topic, sounds_sensitive

from . import library as demo
from . import years
from .covers import store_covers
from .items.books import BOOKS, FICTION, ISBNS, ORIGINALS, SUBJECTS, SUMMARIES
from .items.details import AUDIENCES, CODES, EXTENTS, FORMS, REFERENCE, UNKNOWN_CODES
from .items.others import DAYS, DOIS, OTHERS
from .people import PATRONS, person_id
from .scenarios.replies import REPLY_TEMPLATES

CHILDREN = {"mia"}
CARD_PATRON = "delroy"  # This patron owns the first library card in the demo's ILS.


def add_base_data(builder, *, at):
    _add_library(builder, at)
    _add_branches(builder, at)
    _add_lists(builder, at)
    _add_people(builder, at)
    _add_absences(builder, at)
    _add_reply_templates(builder, at)
    _add_items(builder, at)


def _add_library(builder, at):
    first = demo.STAFF[0]
    accounts.library.set_up(
        at=at,
        name=demo.NAME,
        time_zone=demo.TIME_ZONE,
        language="en",
        branch=demo.BRANCHES[0].name,
        coordinator_email=_staff_address(first),
        coordinator_name=first.name,
    )
    rosa = builder.people[first.key] = User.objects.get(email=_staff_address(first))
    accounts.library.change_library(
        Library.current(),
        by=rosa,
        at=at,
        accent_color=demo.ACCENT_COLOR,
        catalog_link=demo.CATALOG_LINK,
        catalog_title_link=demo.CATALOG_TITLE_LINK,
        proxy_prefix=demo.PROXY_PREFIX,
        children=Library.Children.SHARED,
        childrens_groups=demo.CHILDRENS_GROUPS,
    )
    years.start_year(by=rosa, at=at)
    accounts.library.hide_first_week(Library.current(), hidden=True, by=rosa, at=at)
    for key, (name, spanish) in demo.TOPICS.items():
        builder.topics[key] = add_topic(
            name=name, names={"es": spanish}, never_by_message=sounds_sensitive(name)
        )


def _add_lists(builder, at):
    """Add the patron groups, the library's own field and the service points."""
    rosa = builder.people["rosa"]
    for name, card_groups in demo.PATRON_GROUPS.items():
        builder.groups[name] = choices.save_group(None, name=name, card_groups=card_groups, by=rosa, at=at)
    name, values = demo.OWN_FIELD
    field = choices.save_field(None, name=name, values=values, by=rosa, at=at)
    builder.own_values = list(field.values.order_by("pk"))
    for branch, names in demo.SERVICE_POINTS.items():
        for name in names:
            point = choices.save_point(None, branch=builder.branches[branch], name=name, by=rosa, at=at)
            kinds = [(None, kind, key) for key, kind in demo.TALLY_KINDS.items()]
            choices.save_kinds(point, kinds=kinds, seen=[], by=rosa, at=at)
            builder.points.setdefault(branch, []).append(point)


def _add_branches(builder, at):
    library, rosa = Library.current(), builder.people["rosa"]
    for number, branch in enumerate(demo.BRANCHES):
        fields = {
            "name": branch.name,
            "address": branch.address,
            "phone": branch.phone,
            "promise_hours": branch.promise_hours,
        }
        if number == 0:
            row = library.default_branch
            accounts.library.change_branch(row, by=rosa, at=at, **fields)
        else:
            row = accounts.library.add_branch(by=rosa, at=at, **fields)
        week = [
            (int(weekday), datetime.time(opens), datetime.time(closes))
            for weekdays, (opens, closes) in branch.hours.items()
            for weekday in weekdays
        ]
        accounts.library.change_hours(row, week=week, by=rosa, at=at)
        for days, reason in branch.closed.items():
            day = library.today(builder.now) + datetime.timedelta(days=days)
            accounts.library.add_closed_day(row, day=day, reason=reason, by=rosa, at=at)
        builder.branches[branch.key] = row
    for code, key in CODES.items():
        branch_codes.add_code(code, branch=builder.branches[key], by=rosa, at=at)
    branch_codes.record_unknown(Counter(UNKNOWN_CODES), at=at)


def _add_people(builder, at):
    rosa = builder.people["rosa"]
    for person in demo.STAFF:
        row = _name(person_with_address(_staff_address(person), at=at), person)
        builder.people[person.key] = row
        for branch, role in person.roles.items():
            roles.give_role(row, branch=builder.branches[branch], role=role, by=rosa, at=at)
    for name, email, branch, days_ago in demo.INVITED:
        invitations.invite(
            name=name,
            email=email,
            language="en",
            at_branches={builder.branches[branch]: "staff"},
            by=rosa,
            at=builder.now - datetime.timedelta(days=days_ago),
        )
    for person in PATRONS:
        builder.people[person.key] = _name(_new_patron(person, at), person)


def _new_patron(person, at):
    if person.key == CARD_PATRON:
        return person_with_card(fake.CARDS[0].patron, at=at, language=person.language)
    if not person.address:
        child_since = at if person.key in CHILDREN else None
        return person_without_address(at=at, language=person.language, child_since=child_since)
    return person_with_address(f"{person.address}@example.org", at=at)


def _name(row, person):
    row.public_id, row.name, row.language = person_id(person.key), person.name, person.language
    row.save()
    EmailAddress.objects.filter(user=row).update(verified=True)
    return row


def _add_absences(builder, at):
    today = Library.current().today(builder.now)
    for person, first, last, cover in demo.ABSENCES:
        absences.add_absence(
            person=builder.people[person],
            first_day=today + datetime.timedelta(days=first),
            last_day=today + datetime.timedelta(days=last),
            cover=builder.people.get(cover),
            by=builder.people["rosa"],
            at=at,
        )


def _add_reply_templates(builder, at):
    for branch, language, name, body in REPLY_TEMPLATES:
        reply_templates.add_template(
            by=builder.people["rosa"],
            at=at,
            branch=builder.branches.get(branch),
            language=language,
            name=name,
            body=body,
        )


def _add_items(builder, at):
    for key, kind, title, creators, year, call_number, branches in BOOKS:
        builder.items[key] = add_item(
            at=at,
            kind=kind,
            title=title,
            creators=creators,
            year=year,
            is_fiction=key in FICTION,
            source="catalog",
            source_key=key,
            summary=SUMMARIES.get(key, ""),
            subjects=SUBJECTS.get(key, "Novels" if key in FICTION else ""),
            isbn=ISBNS.get(key, ""),
            form=FORMS.get(key, "print" if kind == "book" else ""),
            extent=EXTENTS.get(key, ""),
            audience=AUDIENCES.get(key, ""),
            **ORIGINALS.get(key, {}),
        )
        for branch in branches:
            place_item(
                builder.items[key],
                branch=builder.branches[branch],
                call_number=call_number,
                location=REFERENCE.get(key, ""),
                not_for_loan=key in REFERENCE,
            )
    for key, kind, title, creators, url in OTHERS:
        # The entry of a person in OTHERS has a phone number where other entries have the creators.
        fields = {"phone": creators} if kind == "person" else {"creators": creators}
        if key in DAYS:
            first, last = (
                Library.current().today(builder.now) + datetime.timedelta(day) for day in DAYS[key]
            )
            fields |= {"starts_on": first, "ends_on": last}
        builder.items[key] = add_item(at=at, kind=kind, title=title, url=url, doi=DOIS.get(key, ""), **fields)
    store_covers([builder.items[key] for key in ISBNS], on=at.date())


def _staff_address(person):
    return f"{person.key}@library.example.org"
