"""Show the pages that only the demo has. portal/urls.py includes them only if settings.DEMO is True."""

from django.contrib.auth import logout
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.sign_in.access import record_second_factor, sign_in
from portal.helpsessions import codes
from portal.printing import qr_svg

from . import build, library, mailbox, people


@require_safe
def demo(request):
    return render(
        request,
        "demo/demo.html",
        {
            "staff": _people(library.STAFF, with_roles=True),
            "patrons": _people(people.PATRONS),
            "codes": _codes(request),
            "here": _origin(request),
        },
    )


@require_POST
def demo_become(request, public_id):
    """Sign in as a person of the demo, and redirect to the desk or to the patron's home page.

    Staff don't need to enter a second factor.
    """
    person = get_object_or_404(User, public_id=public_id, is_active=True)
    logout(request)
    sign_in(request, person, by="demo")
    if person.is_staff:
        record_second_factor(request, at=timezone.now())
        return redirect("desk")
    return redirect("home")


@require_POST
def demo_become_nobody(request):
    """Sign out and close all opened visits, as if the browser had never opened the portal."""
    logout(request)
    return redirect("open_code")


@require_safe
def demo_mail(request):
    return render(request, "demo/mailbox.html", {"mails": mailbox.latest_emails(_origin(request))})


@require_safe
def demo_one_mail(request, name):
    mail = mailbox.find_email(name, _origin(request))
    if mail is None:
        raise Http404
    return render(request, "demo/mail.html", {"mail": mail})


def _people(characters, *, with_roles=False):
    """Return [(user, text about the user)] for the demo's people who are in the database."""
    about = {people.person_id(character.key): character.about for character in characters}
    users = User.objects.filter(public_id__in=about)
    if with_roles:
        users = users.prefetch_related("staff_roles__branch")
    by_id = {user.public_id: user for user in users}
    return [(by_id[public_id], words) for public_id, words in about.items() if public_id in by_id]


def _codes(request):
    """Return one row for each kind of code, with the link of the code. The first row also has a QR code."""
    meaning = {
        "live": _("This code opens a help session."),
        "quiet": _("This code opens a quiet session."),
        "card": _("This code is from a code card. It opens a help session."),
        "blank": _("This code is on a code card that has no help session yet."),
        "kept": _("This code was used to keep a help session in an account."),
        "forgotten": _("This code is older than 30 days and has expired."),
        "revoked": _("The library revoked this code."),
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
