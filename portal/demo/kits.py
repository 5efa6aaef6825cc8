"""Make the demo's kits, and verdicts of earlier years that are counted as what helped."""

import datetime
from typing import NamedTuple

from accounts.models import Branch, User
from portal.kits.actions import change_kit, make_kit
from portal.kits.counting import count_items, count_kits, count_now
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from recommendations.visit_numbers import unlinked_number


class DemoKit(NamedTuple):
    """A kit. `reasons` is {key of an item: (reason in English, reason in Spanish)}, in order."""

    branch: str
    topic: str
    names: tuple[str, str]
    description: str
    reasons: dict[str, tuple[str, str]]


KITS = [
    DemoKit(
        "",
        "jobs",
        ("First job applications", "Primeras solicitudes de empleo"),
        "For people who have never written an application.",
        {
            "parachute": (
                "Start with chapter two. It helps you see what you are good at.",
                "Empiece por el capítulo dos. Le ayuda a ver qué hace bien.",
            ),
            "knock-em-dead": (
                "Has the ten questions that every interview has.",
                "Tiene las diez preguntas de toda entrevista.",
            ),
            "job-club": (
                "Bring your draft. They read it with you, on Thursdays.",
                "Traiga su borrador. Los jueves lo leen con usted.",
            ),
        },
    ),
    DemoKit(
        "central",
        "tax",
        ("Help with a tax form", "Ayuda con un formulario de impuestos"),
        "",
        {"tax-clinic": ("They fill in the form with you.", "Llenan el formulario con usted.")},
    ),
]
# {(item, topic): a letter for each verdict of visits that were forgotten long ago}. The letter h means
# "helped", p means "partly", and d means "did not help".
EARLIER = {
    ("parachute", "jobs"): "hhhhphhdhhhhphh",
    ("knock-em-dead", "jobs"): "hhphdhh",
    ("job-club", "jobs"): "hhhhhhhphh",
    ("tax-clinic", "tax"): "hhhhhhh",
    ("mentor", "business"): "hhhhphhhdh",
    ("braiding", "home"): "hphhhhh",
}
VERDICTS = {
    "h": Recommendation.Verdict.HELPED,
    "p": Recommendation.Verdict.PARTLY,
    "d": Recommendation.Verdict.DID_NOT_HELP,
}


def make(builder):
    """Make the kits and the numbers. Call this after the visits."""
    by = builder.people["rosa"]
    kits = {}
    for demo_kit in KITS:
        kit = _make(builder, demo_kit, by=by, at=builder.now - datetime.timedelta(days=40))
        kits |= dict.fromkeys(demo_kit.reasons, kit)
    _add_earlier_verdicts(builder, kits)
    count_now(at=builder.now)


def _make(builder, demo_kit, *, by, at):
    branch = builder.branches[demo_kit.branch] if demo_kit.branch else None
    fields = {"branch": branch, "topic": builder.topics[demo_kit.topic], "by": by, "at": at}
    in_english, in_spanish = (
        [
            ChosenItem(item=builder.items[key], reason=reasons[number])
            for key, reasons in demo_kit.reasons.items()
        ]
        for number in (0, 1)
    )
    kit = make_kit(
        language="en",
        name=demo_kit.names[0],
        description=demo_kit.description,
        items=in_english,
        **fields,
    )
    return change_kit(
        kit,
        version=1,
        language="es",
        name=demo_kit.names[1],
        description="",
        items=in_spanish,
        **fields,
    )


def _add_earlier_verdicts(builder, kits):
    """Add verdicts from visits that were counted and then forgotten. No person is linked to them."""
    staff = list(User.objects.filter(staff_roles__isnull=False).distinct().order_by("pk"))
    first = builder.now - datetime.timedelta(days=500)
    branch = Branch.objects.order_by("pk").first()
    earlier = Recommendation.objects.bulk_create(
        Recommendation(
            recommended_by=staff[number % len(staff)],
            item=builder.items[key],
            branch=branch,
            topic=builder.topics[topic],
            question_type="reference",
            recommended_at=first + datetime.timedelta(days=number),
            verdict=VERDICTS[letter],
            decided_at=first + datetime.timedelta(days=number + 3),
            visit_number=unlinked_number(),
            from_kit=kits[key].public_id if key in kits and number % 2 else None,
        )
        for (key, topic), letters in EARLIER.items()
        for number, letter in enumerate(letters)
    )
    count_items()
    count_kits()
    Recommendation.objects.filter(pk__in=[row.pk for row in earlier]).update(recommended_by=None)
