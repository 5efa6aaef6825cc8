"""The pages where coordinators manage the staff of their branches, and invite new staff members."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.models import Invitation, StaffRole, User
from accounts.sign_in.access import coordinator_only
from accounts.staff import invitations, roles
from portal import limits
from portal.conversations import departures
from portal.desk.library.forms.people import InvitationForm, RoleForm
from portal.incoming import readers
from portal.incoming.models import may_see_not_matched

LAST_COORDINATOR = gettext_lazy("This person is the only coordinator. Make someone else a coordinator first.")


@coordinator_only
def people(request):
    """List the staff of this coordinator's branches, and the open invitations."""
    invited = list(
        Invitation.objects.at_desk_of(request.user)
        .select_related("invited_by")
        .prefetch_related("roles__branch")
    )
    for invitation in invited:
        invitation.has_run_out = invitation.expires_at <= timezone.now()
    return render(request, "desk/library/people.html", {"people": _colleagues(request), "invited": invited})


@coordinator_only
def invite(request):
    """Invite a person. Only the response to the form shows the link of the invitation."""
    form = InvitationForm(
        request.POST or None, coordinator=request.user, initial={"language": request.library.language}
    )
    if form.is_valid() and limits.counted(
        request, form, "email", "invitation", target=form.cleaned_data["email"]
    ):
        try:
            link = invitations.invite(by=request.user, at=timezone.now(), **form.cleaned_data)
        except invitations.AlreadyInvited:
            form.add_error(
                "email",
                _(
                    "This address already has an invitation. Send that invitation again, or withdraw "
                    "it first."
                ),
            )
        else:
            return _invited(request, link, name=form.cleaned_data["name"], email=form.cleaned_data["email"])
    return render(request, "desk/library/invite.html", {"form": form})


@coordinator_only
@require_POST
def invite_again(request, public_id):
    """Send an invitation again, with a new link."""
    invitation = get_object_or_404(Invitation.objects.at_desk_of(request.user), public_id=public_id)
    limits.count(request, "invitation", target=invitation.email)
    try:
        link = invitations.send_again(invitation, by=request.user, at=timezone.now())
    except invitations.UnknownInvitation:
        raise Http404 from None
    return _invited(request, link, name=invitation.name, email=invitation.email)


@coordinator_only
@require_POST
def withdraw_invitation(request, public_id):
    """Withdraw an invitation, so that its link no longer works."""
    invitation = get_object_or_404(Invitation.objects.at_desk_of(request.user), public_id=public_id)
    invitations.withdraw(invitation, by=request.user, at=timezone.now())
    messages.success(
        request,
        _("Invitation of %(name)s withdrawn. Its link no longer works.") % {"name": invitation.name},
    )
    return redirect("people")


@coordinator_only
def person(request, public_id):
    """Show a colleague's roles, with a form that adds or changes their role at one branch.

    The form offers only branches where the signed-in coordinator may manage staff.
    """
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    form = RoleForm(request.POST or None, coordinator=request.user, initial={"role": StaffRole.Role.STAFF})
    if form.is_valid():
        try:
            roles.give_role(someone, by=request.user, at=timezone.now(), **form.cleaned_data)
        except roles.LastCoordinator:
            messages.error(request, LAST_COORDINATOR)
        else:
            messages.success(request, _("Roles saved."))
        return redirect("person", someone.public_id)
    may_end = StaffRole.objects.at_desk_of(request.user).filter(user=someone)
    may_end = set(may_end.values_list("pk", flat=True))
    for role in someone.roles:
        role.may_end = role.pk in may_end
    reads_emails = not someone.is_coordinator and may_see_not_matched(someone)
    context = {"form": form, "someone": someone, "reads_emails": reads_emails}
    return render(request, "desk/library/person.html", context)


@coordinator_only
def end_role(request, public_id):
    """Show what happens when a role ends. On POST, end the role.

    If the person has several roles, the parameter `branch` in the URL says which role to end.
    """
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    named = {"branch__slug": request.GET["branch"]} if "branch" in request.GET else {}
    roles_here = StaffRole.objects.at_desk_of(request.user).filter(user=someone, **named)
    try:
        role = roles_here.select_related("branch").get()
    except (StaffRole.DoesNotExist, StaffRole.MultipleObjectsReturned):
        raise Http404 from None
    if request.method != "POST":
        return render(
            request,
            "desk/library/end_role.html",
            {"someone": someone, "role": role, "ends": departures.what_ends(someone, branch=role.branch)},
        )
    try:
        departures.end_role(someone, branch=role.branch, by=request.user, at=timezone.now())
    except roles.LastCoordinator:
        messages.error(request, LAST_COORDINATOR)
        return redirect("person", someone.public_id)
    messages.success(
        request,
        _("%(person)s no longer works at %(branch)s.")
        % {"person": someone.display_name, "branch": role.branch},
    )
    still_there = request.user != someone or StaffRole.objects.filter(user=someone).exists()
    return redirect("people" if still_there else "signed_out")


@coordinator_only
@require_POST
def email_reader(request, public_id):
    """Let a colleague see the emails that were not matched.

    If the request has no field `reads`, take this permission away.
    """
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    if "reads" in request.POST:
        readers.add_reader(person=someone, by=request.user, at=timezone.now())
        words = _("%(name)s can see the emails that match no conversation.")
    else:
        readers.remove_reader(someone, by=request.user, at=timezone.now())
        words = _("%(name)s can no longer see the emails that match no conversation.")
    messages.success(request, words % {"name": someone.display_name})
    return redirect("person", someone.public_id)


@coordinator_only
@require_POST
def forget_second_factor(request, public_id):
    """Remove a person's second factor. The person must set up a new one to open the desk again."""
    someone = get_object_or_404(_colleagues(request), public_id=public_id)
    roles.forget_second_factor(someone, by=request.user, at=timezone.now())
    messages.success(
        request,
        _("Second factor removed. Your colleague sets up a new app or passkey when they open the desk."),
    )
    return redirect("person", someone.public_id)


def _colleagues(request):
    """Return the people who work at a branch of this coordinator."""
    people = StaffRole.objects.at_desk_of(request.user).values("user")
    return (
        User.objects.filter(pk__in=people)
        .prefetch_related("staff_roles__branch", "authenticator_set", "passkeys")
        .order_by("name", "email")
    )


def _invited(request, link, *, name, email):
    return render(
        request,
        "desk/library/invited.html",
        {"link": link, "name": name, "email": email, "days": Invitation.LASTS.days},
    )
