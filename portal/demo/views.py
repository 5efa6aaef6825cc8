"""Pages that exist while the demo is on, and only then: portal.urls includes them under settings.DEMO alone."""

from django.contrib.auth import logout
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.sign_in.access import record_second_factor, sign_in
from portal.desk.slips import qr_svg
from portal.helpsessions import codes

from . import build, library, mailbox, people


@require_safe
def demo(request):
    return render(
        request,
        "demo/demo.html",
        {
            "staff": _known(library.STAFF, with_roles=True),
            "patrons": _known(people.PATRONS),
            "codes": _codes(request),
            "here": _origin(request),
        },
    )


@require_POST
def demo_become(request, public_id):
    """Sign in as somebody of the demo, staff with their second factor shown, and open the page where they would begin."""
    person = get_object_or_404(User, public_id=public_id, is_active=True)
    logout(request)
    sign_in(request, person, by="demo")
    if person.is_staff:
        record_second_factor(request, at=timezone.now())
        return redirect("desk")
    return redirect("home")


@require_POST
def demo_become_nobody(request):
    """A stranger on a new phone: signed out, no code opened."""
    logout(request)
    return redirect("open_code")


@require_safe
def demo_mail(request):
    return render(request, "demo/mailbox.html", {"mails": mailbox.latest_mails(_origin(request))})


@require_safe
def demo_one_mail(request, name):
    mail = mailbox.find_mail(name, _origin(request))
    if mail is None:
        raise Http404
    return render(request, "demo/mail.html", {"mail": mail})


def _known(those, *, with_roles=False):
    """(person, what makes them interesting), in the order of the demo's own lists."""
    people = User.objects.filter(public_id__in=[build.person_id(one.key) for one in those])
    if with_roles:
        people = people.prefetch_related("staff_roles__branch")
    found = {person.public_id: person for person in people}
    return [
        (found[build.person_id(one.key)], one.about) for one in those if build.person_id(one.key) in found
    ]


def _codes(request):
    """What each kind of code shows, with its link; the first also as a picture to scan."""
    meaning = {
        "live": _("opens a help session"),
        "quiet": _("opens a quiet session"),
        "card": _("was on a card, opens its session"),
        "blank": _("is on a card that no session has yet"),
        "kept": _("was used: its session is kept in an account"),
        "forgotten": _("is older than 30 days, and what it opened is forgotten"),
        "revoked": _("was taken back by the library"),
    }
    known = build.codes_to_try()
    rows = []
    for kind, words in meaning.items():
        if kind in known:
            url = _origin(request) + reverse("open_code_link", args=[known[kind]])
            rows.append({"url": url, "code": codes.grouped(known[kind]), "meaning": words})
    if rows:
        rows[0]["picture"] = qr_svg(rows[0]["url"], _("QR code of the link"))
    return rows


def _origin(request):
    return f"{request.scheme}://{request.get_host()}"
