"""Keep this in my library account: the consent in plain words, and the act."""

from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access, remembering
from accounts.actions import person_without_address
from accounts.models import User
from accounts.ways_in import other_ways
from portal.conversations import actions
from portal.helpsessions.actions import AlreadyKept, QuietSession
from portal.helpsessions.models import HelpSession
from portal.templatetags.portal import whole_day


def wording(person, at, library):
    """What the patron agrees to, as they read it and as it is recorded. `person`: None for somebody who has no account yet."""
    person = person or User()
    until = whole_day(library.today(remembering.ends_at(person, at, library=library)))
    if person.remember == User.Remember.NOTHING:
        how_long = _("You chose that nothing is kept. Because you ask for it, this visit stays until %(day)s.")
    else:
        how_long = _("It stays until %(day)s, unless you choose another time under Privacy.")
    return [
        _("The library joins this visit to your name: what you asked, what was recommended, and the messages about it."),
        _("Staff of this library who help you can see it. Nobody else can."),
        how_long % {"day": until},
        _("You need no code any more, and the code on the slip stops working."),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def keep_session(request, public_id):
    found = get_object_or_404(HelpSession.objects.belonging_to(request.reader), public_id=public_id)
    person = request.reader.person
    if found.quiet:
        return render(request, "conversations/not_kept.html", {"help_session": found, "quiet": True}, status=409)
    if person is not None and found.patron_id == person.pk:
        return redirect(found)
    if request.method != "POST":
        words = wording(person, timezone.now(), request.library)
        return render(request, "conversations/keep.html", {"help_session": found, "wording": words, **other_ways()})
    if person is None and "without_address" not in request.POST:
        return redirect(f"{request.path}#how")
    at = timezone.now()
    try:
        with transaction.atomic():  # nobody is made for a session that can't be kept
            if person is None:
                person = person_without_address(at=at, language=get_language())
            actions.keep(found, by=person, at=at, wording="\n".join(wording(person, at, request.library)), language=get_language())
    except AlreadyKept:
        return render(request, "conversations/not_kept.html", {"help_session": found}, status=409)
    except QuietSession:
        return render(request, "conversations/not_kept.html", {"help_session": found, "quiet": True}, status=409)
    if request.reader.person is None:
        access.sign_in(request, person, by="device")
    messages.success(request, _("Kept. You find it under Home from now on."))
    return redirect(found)
