"""The page where patrons agree to keep a visit in their library account."""

from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.patron import retention_choice
from accounts.patron.people import person_without_address
from accounts.sign_in import access
from accounts.sign_in.methods import other_methods
from portal import limits
from portal.conversations import keeping
from portal.helpsessions.keeping import AlreadyKept, QuietSession
from portal.helpsessions.models import HelpSession
from portal.templatetags.portal import whole_day

# In a shared visit, ?as= says whether the person is the child or the adult.
CHILD, ADULT = "child", "adult"


def wording(person, at, library, help_session=None, *, is_new=False):
    """Return the sentences that the patron agrees to. They are saved together with the consent.

    `person` is None if the patron has no account. `is_new` is true if the visit is just being recorded, so
    that there is no slip yet.
    """
    person, with_child = person or User(), bool(help_session and help_session.with_child)
    until = {
        "day": whole_day(
            library.today(retention_choice.ends_at(person, at, library=library, with_child=with_child))
        )
    }
    if help_session and help_session.is_shared:
        return _of_the_child(until) if person.is_child else _of_the_adult(until)
    if person.remember == User.Remember.NOTHING:
        how_long = _("You chose to keep nothing. If you keep this visit anyway, it stays until %(day)s.")
    elif with_child or person.is_child:
        how_long = _("It stays until %(day)s. You can choose 30 days under Privacy.")
    else:
        how_long = _("It stays until %(day)s. You can choose another time under Privacy.")
    return [
        _(
            "The library links this visit to your name: what you asked, what was recommended, and your "
            "messages about it."
        ),
        _("Staff of this library who help you can see it. Nobody else can."),
        how_long % until,
        _("You need no code. You see the visit when you sign in.")
        if is_new
        else _("You no longer need a code. The code on the slip stops working."),
    ]


def _of_the_child(until):
    """Return the sentences that the child of a shared visit agrees to."""
    return [
        _("This visit becomes yours: what you asked, what was found for you, and the messages about it."),
        _(
            "Library staff who help you can see it. One grown-up who was with you can keep it too. "
            "They only see this visit."
        ),
        _("You can stop sharing it with them at any time."),
        _("The library deletes it on %(day)s. You can choose an earlier day under Privacy.") % until,
        _("The code on the slip works until the grown-up keeps the visit too."),
    ]


def _of_the_adult(until):
    """Return the sentences that the adult of a shared visit agrees to."""
    return [
        _(
            "You share this visit with the child. You can read it, say what helped, and write to the "
            "library about it. You can't see the child's other visits."
        ),
        _(
            "The child sees what you write here, and that an adult wrote it. "
            "The child doesn't see your name or address."
        ),
        _("Staff of this library who help you can see it."),
        _(
            "It stays until %(day)s at the latest. "
            "It ends earlier for you if the child stops sharing it or keeps it for less time."
        )
        % until,
        _("The code on the slip works until the child keeps the visit too."),
    ]


@access.sign_in_to_open(HelpSession)
@require_http_methods(["GET", "HEAD", "POST"])
def keep_session(request, public_id):
    """Explain on GET what keeping the visit means. Keep the visit in the person's account on POST.

    A person without an account can get a new account, which needs no email address.
    """
    found = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    person, at = request.viewer.person, timezone.now()
    if found.quiet:
        return _not_kept(request, found, quiet=True)
    if person is not None and person.pk in (found.patron_id, found.shared_with_id):
        return redirect(found)
    keeper = person or _new_person(request, found, at)
    if keeper is not None and (
        not found.is_open_to_an_adult if found.is_shared and not keeper.is_child else found.patron_id
    ):
        return _not_kept(request, found)
    if request.method != "POST" or keeper is None:
        context = {
            "help_session": found,
            "is_child": keeper is not None and keeper.is_child,
            **other_methods(),
        }
        context["wording"] = wording(keeper, at, request.library, found) if keeper else []
        return render(request, "conversations/keep.html", context)
    if person is None and "without_address" not in request.POST:
        return redirect(f"{request.get_full_path()}#how")
    if person is None:
        limits.count(request, "record_of_a_device")
    try:
        # Both steps are in one transaction, so that no account is created if the visit can't be kept.
        with transaction.atomic():
            if person is None:
                person = person_without_address(
                    at=at, language=get_language(), child_since=keeper.child_since
                )
            words = "\n".join(wording(person, at, request.library, found))
            keeping.keep(found, by=person, at=at, wording=words, language=get_language())
    except AlreadyKept:
        return _not_kept(request, found)
    except QuietSession:
        return _not_kept(request, found, quiet=True)
    if request.viewer.person is None:
        access.sign_in(request, person, by="device")
    messages.success(request, _("Visit kept. You can find it under Home."))
    return redirect(found)


def _new_person(request, help_session, at):
    """Return an unsaved User for a person without an account. For a child, `child_since` is set.

    Returns None if the person must first say whether they are the child or the adult.
    """
    if not help_session.with_child:
        return User()
    part = CHILD if not help_session.is_shared else request.GET.get("as")
    return {CHILD: User(child_since=at), ADULT: User()}.get(part)


def _not_kept(request, help_session, *, quiet=False):
    """Show a page that says that the visit can't be kept."""
    return render(
        request, "conversations/not_kept.html", {"help_session": help_session, "quiet": quiet}, status=409
    )
