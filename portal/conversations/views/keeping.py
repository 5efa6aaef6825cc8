"""The page where patrons agree to keep a visit in their library account."""

from contextlib import suppress

from django.contrib import messages
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.forms.sign_in import SignInForm
from accounts.models import User
from accounts.patron import check_ins, retention_choice
from accounts.patron.people import person_without_address
from accounts.sign_in import access
from accounts.sign_in.code_page import has_code_page
from accounts.sign_in.methods import other_methods
from accounts.views.sign_in import code_page
from portal import limits
from portal.conversations import keeping
from portal.conversations.views.sending import ask_for_code
from portal.helpsessions.keeping import AlreadyKept, QuietSession
from portal.helpsessions.models import HelpSession
from portal.lists.actions import save as save_in_list
from portal.notifications.push.subscriptions import has_device
from portal.templatetags.portal import whole_day
from portal.text import uuid_or_none
from recommendations.models import Recommendation

# In a shared visit, ?as= says whether the person is the child or the adult.
CHILD, ADULT = "child", "adult"


def wording(person, at, library, help_session=None, *, is_new=False):
    """Return the sentences that the patron agrees to. They are saved together with the consent.

    `person` is None if the patron has no account. `is_new` is true while staff are recording the visit, when
    there is no slip yet.
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
        how_long = _(
            "You chose “Don't keep anything”. If you add this visit to your account anyway, we keep it until "
            "%(day)s."
        )
    elif with_child or person.is_child:
        how_long = _("We keep the visit until %(day)s. Under Privacy, you can choose a shorter time.")
    else:
        how_long = _(
            "We keep the visit until %(day)s. Under Privacy, you can choose how long we keep your visits."
        )
    return [
        _(
            "The library links this visit to your name: what you asked, what was recommended, and your "
            "messages about it."
        ),
        _("The staff who help you at the library can see the visit. Nobody else can."),
        how_long % until,
        _("You don't need a code. You can see the visit when you sign in.")
        if is_new
        else _("You no longer need a code. The code on the slip stops working."),
    ]


def _of_the_child(until):
    """Return the sentences that the child of a shared visit agrees to."""
    return [
        _("This visit becomes yours: what you asked, what was found for you, and the messages about it."),
        _(
            "The staff who help you at the library can see the visit. One grown-up who was with you can add "
            "it to their account too. That grown-up sees only this visit."
        ),
        _("You can stop sharing the visit at any time."),
        _("We keep the visit until %(day)s. Under Privacy, you can choose a shorter time.") % until,
        _("The code on the slip stops working when the grown-up adds the visit to their account too."),
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
        _("The staff who help you at the library can see the visit."),
        _(
            "You can read the visit until %(day)s. You lose access sooner if the child stops sharing "
            "the visit or has it deleted."
        )
        % until,
        _("The code on the slip stops working when the child adds the visit to their account too."),
    ]


@access.sign_in_to_open(HelpSession)
@has_code_page("keep_session_code")
@require_http_methods(["GET", "HEAD", "POST"])
def keep_session(request, public_id):
    """On GET, explain what keeping the visit means. On POST, keep the visit in the person's account.

    A person without an account can get a new one, which needs no email address.

    `?save=` names a recommendation if the patron pressed *Save* on its item. The item is saved as soon as the
    visit is kept.

    `?check_ins=email` or `push` means that the patron also agreed to check-ins, by email or on their phone.
    """
    found = HelpSession.objects.belonging_to(request.viewer).filter(public_id=public_id).first()
    if found is None:
        return _lost(request, public_id)
    person, at = request.viewer.person, timezone.now()
    if found.quiet:
        return _not_kept(request, found, quiet=True)
    to_save = _item_to_save(request, found)
    if person is not None and person.pk in (found.patron_id, found.shared_with_id):
        if request.method == "POST" and to_save:
            save_in_list(to_save.item, patron=person, at=at, recommendation=to_save)
        return redirect(_address_after(request, person, found, to_save))
    keeper = person or _new_person(request, found, at)
    if keeper is not None and _is_taken(found, keeper):
        return _not_kept(request, found)

    def page(address_form=None):
        context = {
            "help_session": found,
            "to_save": to_save,
            "words_about_check_ins": _words_about_check_ins(request),
            "is_child": keeper is not None and keeper.is_child,
            **({} if person else {"address_form": address_form or SignInForm(request=request)}),
            "form_error": address_form is not None,
            **other_methods(),
        }
        context["wording"] = wording(keeper, at, request.library, found) if keeper else []
        return render(request, "conversations/keep.html", context, status=422 if address_form else 200)

    if code := ask_for_code(request, request.get_full_path_info(), page):
        return code
    if request.method != "POST" or keeper is None:
        return page()
    if person is None and "without_address" not in request.POST:
        return redirect(f"{request.get_full_path_info()}#how")
    if person is None:
        limits.count(request, "record_of_a_device")
    try:
        # All steps are in one transaction, so that no account is created if the visit can't be kept.
        with transaction.atomic():
            if person is None:
                person = person_without_address(
                    at=at, language=get_language(), child_since=keeper.child_since
                )
            _keep(request, found, person, at, to_save)
    except AlreadyKept:
        return _not_kept(request, found)
    except QuietSession:
        return _not_kept(request, found, quiet=True)
    if request.viewer.person is None:
        access.sign_in(request, person, by="device")
        if _chosen(request) == User.CheckIns.EMAIL:
            # The person has no email address yet. The page about check-ins says that they must add one first.
            return redirect("check_ins")
    return redirect(_address_after(request, person, found, to_save))


@access.sign_in_to_open(HelpSession)
@require_http_methods(["GET", "HEAD", "POST"])
def keep_session_code(request, public_id):
    """Ask for the emailed code and for the patron's consent. A right code keeps the visit.

    The wording of the consent depends on the person, and the page knows the person only after the right code.
    If a different wording applies to this person, redirect to the page `keep_session`. They read that wording
    and keep the visit there.
    """
    found = HelpSession.objects.belonging_to(request.viewer).filter(public_id=public_id).first()
    if found is None:
        return _lost(request, public_id)
    at = timezone.now()
    keep_page = f"{reverse('keep_session', args=[public_id])}{_query(request)}"
    keeper = None if request.viewer.person or found.quiet else _new_person(request, found, at)
    if keeper is None or keeper.is_child or _is_taken(found, keeper):
        return redirect(keep_page)
    shown, to_save = wording(keeper, at, request.library, found), _item_to_save(request, found)

    def keep_now():
        person = request.user
        if wording(person, at, request.library, found) != shown:
            return redirect(keep_page)
        try:
            with transaction.atomic():
                _keep(request, found, person, at, to_save)
        except (AlreadyKept, QuietSession):
            # The page `keep_session` tells the person why the visit can't be kept.
            return redirect(keep_page)
        return redirect(_address_after(request, person, found, to_save))

    return code_page(
        request,
        next_page=keep_page,
        template="conversations/keep_code.html",
        context={
            "help_session": found,
            "wording": shown,
            "to_save": to_save,
            "words_about_check_ins": _words_about_check_ins(request),
        },
        then=keep_now,
    )


def _lost(request, public_id):
    """Show a page that says that somebody else has kept the visit in their account.

    Raise Http404 if this browser never opened the visit by code.
    """
    lost = request.viewer.lost_visit(public_id)
    if lost is None:
        raise Http404
    return _not_kept(request, lost, lost=True)


def _query(request):
    query = request.GET.urlencode()
    return f"?{query}" if query else ""


def _item_to_save(request, help_session):
    """Return the recommendation of this visit that `?save=` names, or None."""
    public_id = uuid_or_none(request.GET.get("save"))
    if public_id is None:
        return None
    mine = Recommendation.objects.belonging_to(request.viewer).filter(public_id=public_id)
    recommendation = mine.select_related("item").first()
    if recommendation is None or request.viewer.session_of(recommendation) != help_session:
        return None
    return recommendation


def _is_taken(help_session, keeper):
    """Return whether somebody has already kept the visit in the role that the User `keeper` would have.

    An adult keeps a shared visit as its adult. In all other cases, `keeper` keeps the visit as its patron.
    """
    if help_session.is_shared and not keeper.is_child:
        return not help_session.is_open_to_an_adult
    return bool(help_session.patron_id)


def _keep(request, help_session, person, at, to_save):
    """Keep the visit in the person's account.

    Also save the item of the recommendation `to_save` in a list, unless it is None. If the person allowed the
    library to ask later how things turned out, save this choice too.
    """
    words = "\n".join(wording(person, at, request.library, help_session))
    keeping.keep(help_session, by=person, at=at, wording=words, language=get_language())
    if agreed := "\n".join(_words_about_check_ins(request)):
        # The library writes to children only if its settings allow this.
        with suppress(check_ins.NotOffered):
            choice, language = _chosen(request), get_language()
            check_ins.choose(person, choice, wording=agreed, language=language, at=at)
    if to_save is None:
        messages.success(request, _("The visit is in your account now. You can find it under Home."))
        return
    save_in_list(to_save.item, patron=person, at=at, recommendation=to_save)
    messages.success(
        request,
        _("The visit is in your account now. “%(title)s” is in your list.") % {"title": to_save.item.title},
    )


def _words_about_check_ins(request):
    """Return the lines of the consent to check-ins. Return [] if the patron chose neither email nor phone."""
    choice = _chosen(request)
    return check_ins.wording_for(choice, None, request.library).splitlines() if choice else []


def _chosen(request):
    """Return how the library may ask later, as the patron chose: "email", "push" or "" for neither."""
    library, choice = request.library, request.GET.get("check_ins", "")
    offered = {User.CheckIns.EMAIL: True, User.CheckIns.PUSH: check_ins.offers_push(None, library)}
    return choice if library.check_ins and offered.get(choice) else ""


def _address_after(request, person, help_session, to_save):
    """Return the URL of the next page: the visit, or the page that turns messages on.

    The page that turns messages on is for people who want to be asked on their phone and have no device yet.
    """
    if User.CheckIns.PUSH in (_chosen(request), person.check_ins) and not has_device(person):
        return reverse("phone_messages")
    address = help_session.get_absolute_url()
    return f"{address}#rec-{to_save.public_id}" if to_save else address


def _new_person(request, help_session, at):
    """Return an unsaved User for a person without an account. For a child, `child_since` is set.

    Returns None if the person must first say whether they are the child or the adult.
    """
    if not help_session.with_child:
        return User()
    part = CHILD if not help_session.is_shared else request.GET.get("as")
    return {CHILD: User(child_since=at), ADULT: User()}.get(part)


def _not_kept(request, help_session, *, quiet=False, lost=False):
    """Show a page that says that the visit can't be kept.

    If `lost` is true, this browser can no longer open the visit either.
    """
    context = {"help_session": help_session, "quiet": quiet, "lost": lost}
    return render(request, "conversations/not_kept.html", context, status=409)
