"""Makes the demo library, through the same actions as everything else, three months of it in the order in which it happened."""

import datetime
import heapq
import itertools
import json
import random
import uuid

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

import accounts.library
import portal.lists.actions
from accounts.ils import fake
from accounts.models import Library, User
from accounts.patron.people import person_with_address, person_without_address
from accounts.sign_in.library_cards import person_with_card
from accounts.staff import absences, invitations, roles
from portal.conversations import jobs, keeping, reply_templates, verdicts
from portal.helpsessions import actions as helpsessions
from portal.helpsessions import handover, unfinished
from portal.notifications.models import Notification
from portal.privacy import retention
from recommendations.actions import add_item, place_item
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, Recommendation
from recommendations.topics import add_topic

from . import library as demo
from .calendar import Calendar
from .conversations import Conversations
from .items.books import BOOKS
from .items.others import DOIS, OTHERS
from .people import PATRONS
from .scenarios.asked import ASKED
from .scenarios.letters import LETTERS
from .scenarios.life import LIFE
from .scenarios.reading import READING
from .scenarios.replies import REPLY_TEMPLATES
from .scenarios.small import SHARED, SMALL_VISITS
from .scenarios.study import STUDY
from .scenarios.tray import UNFINISHED
from .scenarios.work import WORK

VISITS = [*STUDY, *WORK, *READING, *LIFE, *LETTERS, *SMALL_VISITS, *SHARED]
SESSIONS = 150
NOT_TRIED_YET = 19  # besides those that the scenarios tell of
CARDS = 10
CHILDREN = {"mia"}
CARD_HOLDER = "delroy"  # whom the demo's ILS knows by the first of its cards
NIGHTS = 95  # that the worker did something in: since before the first visit
MAILS_STILL_TO_SEND = 6  # so that the worker has something to show in the mailbox
WORDING = {"en": "Keep this in my library account", "es": "Guardar esto en mi cuenta de la biblioteca"}
CODES_FILE = settings.DATA_DIR / "demo-codes.json"


def person_id(key):
    """The same in every demo library, so that its pages find people by it."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://demo.example.org/people/{key}")


def build(*, at, seed=1):
    """The whole library, or nothing of it. The same seed on the same day builds the same content."""
    with transaction.atomic():
        builder = Builder(at, seed)
        builder.build()
    CODES_FILE.parent.mkdir(parents=True, exist_ok=True)
    CODES_FILE.write_text(json.dumps(builder.codes))


def codes_to_try():
    """{what becomes of it: a code}, as the last build left them; the database knows only their HMAC."""
    try:
        return json.loads(CODES_FILE.read_text())
    except (OSError, ValueError):
        return {}


class Builder:
    def __init__(self, at, seed):
        self.now = at
        self.random = random.Random(seed)  # noqa: S311 (believable, not secret)
        self.people, self.branches, self.topics, self.items, self.codes = {}, {}, {}, {}, {}
        self.steps, self.count = [], itertools.count()
        self.conversations = Conversations(self)

    def build(self):
        began = self.now - datetime.timedelta(days=120)
        self._set_up(began)
        self._add_people(began)
        self._add_absences(began)
        self._add_reply_templates(began)
        self._add_items(began)
        self.calendar = Calendar(demo.BRANCHES, Library.current().zone, self.now)
        self._choose_what_was_not_tried()
        self.cards = handover.print_code_cards(
            by=self.people["rosa"],
            at=self.now - datetime.timedelta(days=30),
            branch=self.branches["central"],
            count=CARDS,
        )
        self._plan()
        while self.steps:
            at, _order, step = heapq.heappop(self.steps)
            step(at)
        jobs.show_pending_answers(at=self.now)
        retention.forget(at=self.now)  # as the worker did in all those nights
        self.codes["blank"] = self.cards[-1]
        self._deliver_old_mail()

    # The house.

    def _set_up(self, at):
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
        library = Library.current()
        rosa = self.people[first.key] = User.objects.get(email=_staff_address(first))
        look = {"accent_color": demo.ACCENT_COLOUR, "catalog_link": demo.CATALOGUE_LINK}
        accounts.library.change_library(
            library,
            by=rosa,
            at=at,
            **look,
            children=Library.Children.SHARED,
            childrens_groups=demo.CHILDRENS_GROUPS,
        )
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
                (int(day), datetime.time(opens), datetime.time(closes))
                for days, (opens, closes) in branch.hours.items()
                for day in days
            ]
            accounts.library.change_hours(row, week=week, by=rosa, at=at)
            for days, reason in branch.closed.items():
                accounts.library.add_closed_day(
                    row,
                    day=library.today(self.now) + datetime.timedelta(days=days),
                    reason=reason,
                    by=rosa,
                    at=at,
                )
            self.branches[branch.key] = row
        for key, (name, spanish) in demo.TOPICS.items():
            self.topics[key] = add_topic(name=name, names={"es": spanish})

    def _add_people(self, at):
        rosa = self.people["rosa"]
        for person in demo.STAFF:
            row = self.people[person.key] = self._known(
                person_with_address(_staff_address(person), at=at), person
            )
            for branch, role in person.roles.items():
                roles.give_role(row, branch=self.branches[branch], role=role, by=rosa, at=at)
        for name, email, branch, days_ago in demo.INVITED:
            sent_at = self.now - datetime.timedelta(days=days_ago)
            invitations.invite(
                name=name,
                email=email,
                language="en",
                at_branches={self.branches[branch]: "staff"},
                by=rosa,
                at=sent_at,
            )
        for person in PATRONS:
            self.people[person.key] = self._known(self._new_patron(person, at), person)

    def _new_patron(self, person, at):
        if person.key == CARD_HOLDER:
            return person_with_card(fake.CARDS[0].patron, at=at, language=person.language)
        if not person.address:
            return person_without_address(
                at=at, language=person.language, child_since=at if person.key in CHILDREN else None
            )
        return person_with_address(f"{person.address}@example.org", at=at)

    def _add_absences(self, at):
        today = Library.current().today(self.now)
        for person, first, last, cover in demo.ABSENCES:
            days = {
                "first_day": today + datetime.timedelta(days=first),
                "last_day": today + datetime.timedelta(days=last),
            }
            absences.add_absence(
                person=self.people[person],
                cover=self.people.get(cover),
                by=self.people["rosa"],
                at=at,
                **days,
            )

    def _add_reply_templates(self, at):
        for branch, language, name, body in REPLY_TEMPLATES:
            reply_templates.add_template(
                by=self.people["rosa"],
                at=at,
                branch=self.branches.get(branch),
                language=language,
                name=name,
                body=body,
            )

    def _known(self, row, person):
        row.public_id, row.name, row.language = person_id(person.key), person.name, person.language
        row.save()
        EmailAddress.objects.filter(user=row).update(verified=True)
        return row

    def _add_items(self, at):
        for key, kind, title, creators, year, call_number, branches in BOOKS:
            self.items[key] = add_item(at=at, kind=kind, title=title, creators=creators, year=year)
            for branch in branches:
                place_item(self.items[key], branch=self.branches[branch], call_number=call_number)
        for key, kind, title, creators, url in OTHERS:
            self.items[key] = add_item(
                at=at, kind=kind, title=title, creators=creators, url=url, doi=DOIS.get(key, "")
            )

    # What happened, as steps in the order of time. A step may plan others.

    def then(self, at, step):
        heapq.heappush(
            self.steps, (min(at, self.now - datetime.timedelta(seconds=90)), next(self.count), step)
        )

    def _choose_what_was_not_tried(self):
        candidates = [
            gave for visit in SMALL_VISITS if visit.patron and visit.days_ago > 3 for gave in visit.gave
        ]
        self.not_tried = {id(gave) for gave in self.random.sample(candidates, NOT_TRIED_YET)}

    def _plan(self):
        for days_ago in range(NIGHTS, -1, -1):
            self.then(self.now - datetime.timedelta(days=days_ago), self._night)
        for asked in ASKED:
            self.conversations.plan_asked(asked)
        for visit in VISITS:
            self.then(
                self.calendar.moment(visit.branch, visit.days_ago, visit.hour),
                lambda at, visit=visit: self._visit(visit, at),
            )
        for days_ago, hour, staff, branch, fields in UNFINISHED:
            self.then(
                self.calendar.moment(branch, days_ago, hour),
                lambda at, staff=staff, branch=branch, fields=fields: self._begin(
                    at, self.people[staff], self.branches[branch], fields
                ),
            )
        for _number in range(SESSIONS - len(VISITS) - len(UNFINISHED)):
            person = self.random.choice(demo.STAFF)
            branch = self.random.choice(list(person.roles))
            at = self.calendar.moment(
                branch, self.random.randrange(90), self.random.randrange(9, 20)
            ) + datetime.timedelta(minutes=self.random.randrange(50))
            self.then(
                at,
                lambda at, person=person, branch=branch: helpsessions.tally(
                    by=self.people[person.key], at=at, branch=self.branches[branch]
                ),
            )

    def _night(self, at):
        """What the worker would have done meanwhile."""
        jobs.show_pending_answers(at=at)
        jobs.wake_snoozed(at=at)
        jobs.close_quiet(at=at)
        jobs.release_untouched(at=at)

    def _begin(self, at, staff, branch, fields):
        local = at.astimezone(self.calendar.zone)
        form = {
            "question_type": "reference",
            "mode": "in_person",
            "people": "1",
            "language": "en",
            "branch": str(branch.pk),
        }
        form |= {"happened_on": local.date().isoformat(), "hour": str(local.hour)}
        unfinished.start_unfinished(by=staff, at=at, branch=branch, fields=form | fields)

    def _visit(self, visit, began):
        local = began.astimezone(self.calendar.zone)
        staff, at = self.people[visit.staff], began + datetime.timedelta(minutes=visit.minutes)
        help_session = helpsessions.record(
            by=staff,
            at=at,
            branch=self.branches[visit.branch],
            happened_on=local.date(),
            hour=local.hour,
            mode=visit.mode,
            question_type=visit.type,
            topic=self.topics[visit.topic],
            read_level=visit.read,
            minutes=visit.minutes,
            people=visit.people,
            language=visit.language,
            question=visit.question,
            summary=visit.summary,
            quiet=visit.quiet,
            with_child=Library.Children.SHARED if visit.adult else "",
            note=visit.note,
            items=self.chosen(visit.gave),
        )
        patron = self.people.get(visit.patron)
        self._hand_over(visit, help_session, staff, at)
        for keeper in filter(None, [patron, self.people.get(visit.adult)]):
            after = at + datetime.timedelta(minutes=self.random.randrange(15, 60))
            language = keeper.language if keeper.language in WORDING else "en"
            kept = {"by": keeper, "wording": WORDING[language], "language": language}
            self.then(after, lambda at, kept=kept: keeping.keep(help_session, at=at, **kept))
        recommendations = [
            link.recommendation
            for link in help_session.recommendation_links.select_related("recommendation__item")
        ]
        self.plan_verdicts(visit.gave, recommendations, patron, at)
        if visit.found or visit.satisfaction:
            outcome = {"found": visit.found or None, "satisfaction": visit.satisfaction or None}
            self.then(
                at + datetime.timedelta(days=4),
                lambda at: helpsessions.answer_outcome(help_session, at=at, **outcome),
            )
        about = {
            gave.item: recommendation
            for gave, recommendation in zip(visit.gave, recommendations, strict=True)
        }
        for conversation in visit.conversations:
            self.conversations.plan_about_visit(
                conversation, visit, help_session, about.get(conversation.about), at
            )

    def _hand_over(self, visit, help_session, staff, at):
        if visit.code == "card":
            code = self.cards.pop()
            handover.attach_code_card(help_session, code=code, by=staff, at=at)
        elif visit.code:
            address = "neighbor@example.org" if visit.code == "mailed" else ""
            code = handover.hand_over(
                help_session, by=staff, at=at, base_url=settings.BASE_URL, to_address=address
            )
            if visit.code == "revoked":
                self.then(
                    at + datetime.timedelta(hours=1),
                    lambda at: handover.revoke_codes(help_session, by=staff, at=at),
                )
        else:
            return
        self.codes["quiet" if visit.quiet else visit.code] = code  # the latest of each kind

    def plan_verdicts(self, gave, recommendations, patron, since):
        for row, recommendation in zip(gave, recommendations, strict=True):
            at = since + datetime.timedelta(days=row.days)
            if row.saved and patron:
                self.then(
                    at,
                    lambda at, r=recommendation: portal.lists.actions.save(
                        r.item, patron=patron, at=at, recommendation=r
                    ),
                )
            verdict = row.verdict or (Recommendation.Verdict.NOT_TRIED if id(row) in self.not_tried else "")
            if verdict:
                self.then(
                    at,
                    lambda at, r=recommendation, row=row, verdict=verdict: self._take_verdict(
                        r, row, verdict, patron, at
                    ),
                )

    def _take_verdict(self, recommendation, row, verdict, patron, at):
        recommendation.refresh_from_db()
        verdicts.take_verdict(
            recommendation, verdict=verdict, why=row.why, comment=row.comment, by=patron, at=at
        )

    def chosen(self, gave):
        rows = []
        for row in gave:
            item = self.items.get(row.item)
            by_hand = (
                {}
                if item
                else {"kind": Item.Kind.WEB_PAGE, "title": row.item, "url": "https://city.example.gov/"}
            )
            rows.append(ChosenItem(item=item, reason=row.reason, starred=row.starred, **by_hand))
        return rows

    def _deliver_old_mail(self):
        """As the worker would have, so that only the latest few go out now."""
        for mail in Notification.objects.order_by("-created_at", "-pk")[MAILS_STILL_TO_SEND:]:
            mail.state, mail.delivered_at = Notification.State.DELIVERED, mail.created_at
            if mail.blanked:
                mail.text = mail.html = ""
            mail.save()


def _staff_address(person):
    return f"{person.key}@library.example.org"
