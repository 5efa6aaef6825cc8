"""Build a library with objects of every kind, people who may open the objects, and people who may not."""

import uuid
from types import SimpleNamespace

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from accounts.staff import shared_desks
from portal.conversations.notes import write_note
from portal.helpsessions.models import HelpSession
from portal.notifications.unsubscribing import unsubscribe_url
from portal.privacy import holds
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    ConversationFactory,
    ErasureFactory,
    ExportFactory,
    HelpSessionFactory,
    InvitationFactory,
    LibraryFactory,
    MessageFactory,
    NotificationFactory,
    PasskeyFactory,
    ReplyTemplateFactory,
    SavedItemFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    attach_to,
    code_for,
    recommend_in,
)

from .routes import OBJECT


def build():
    """Build the world with its own library and people."""
    branch = LibraryFactory().default_branch
    return build_for(
        branch,
        UserFactory(name="Sam Okafor", email="sam@example.org"),
        StaffFactory(name="Rosa Lindqvist", email="rosa@example.org", branch=branch),
        StaffFactory(
            name="Ines Coordinator", email="ines@example.org", branch=branch, branch__role="coordinator"
        ),
    )


def build_for(branch, patron, staff, coordinator):
    """Build objects that belong to `patron`, and objects that belong to the desk of `staff`."""
    session = HelpSessionFactory(
        branch=branch, staff=staff, patron=patron, kept_at=timezone.now(), handed_over_at=timezone.now()
    )
    recommendation = recommend_in(session, 2)[0]
    conversation = ConversationFactory(help_session=session)
    attachment = attach_to(MessageFactory(conversation=conversation))
    MessageFactory(conversation=conversation, side="staff", author=staff)
    MessageFactory(
        conversation=ConversationFactory(
            help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron),
            subject="Another matter",
        )
    )
    write_note(
        conversation,
        by=coordinator,
        at=timezone.now(),
        body=f"@{staff.name} for you",
        client_token=uuid.uuid4(),
    )
    elsewhere = BranchFactory(name="Faraway", slug="faraway")
    by_code = HelpSessionFactory(
        branch=elsewhere, staff=StaffFactory(branch=elsewhere, name="Far Away"), handed_over_at=timezone.now()
    )
    recommendation_by_code = recommend_in(by_code)[0]
    MessageFactory(conversation=ConversationFactory(help_session=by_code))
    # This patron shares another visit, but may open none of the objects above.
    other_patron = UserFactory(name="Somebody Else", email="else@example.org")
    SharedSessionFactory(branch=branch, staff=staff, patron=patron, shared_with=other_patron)
    return SimpleNamespace(
        session=session,
        recommendation=recommendation,
        conversation=conversation,
        shared_desk=shared_desks.unlock(branch=branch, name="Front desk", by=staff, at=timezone.now())[0],
        attachment=attachment,
        item=recommendation.item,
        saved_item=SavedItemFactory(saved_list__patron=patron, item=recommendation.item),
        refused_post=RefusedPost.objects.create(
            person=patron,
            path="/messages/",
            fields={"body": ["The soil test page was spot on."]},
            refused_at=timezone.now(),
        ),
        passkey=PasskeyFactory(person=patron),
        export=ExportFactory(person=patron),
        erasure=ErasureFactory(),
        unfinished=HelpSessionFactory(branch=branch, staff=staff, status=HelpSession.Status.UNFINISHED),
        tally=HelpSessionFactory(
            branch=branch, staff=staff, status=HelpSession.Status.TALLY, question="", summary=""
        ),
        hold=holds.hold(
            by_code.conversations.get(),
            reason="Case 12 of the county court",
            by=coordinator,
            at=timezone.now(),
        ),
        email=NotificationFactory(recipient=patron, dead=True),
        branch=branch,
        reply_template=ReplyTemplateFactory(body="We have put it aside for you."),
        absence=AbsenceFactory(person=staff, cover=coordinator),
        person=staff,
        invitation=InvitationFactory(invited_by=coordinator, branch=branch),
        code=code_for(session),
        other_code=code_for(by_code),
        patron=patron,
        staff=staff,
        coordinator=coordinator,
        other_patron=other_patron,
        staff_elsewhere=by_code.staff,
        coordinator_elsewhere=StaffFactory(
            branch=elsewhere, branch__role="coordinator", name="Far Coordinator"
        ),
        by_code=SimpleNamespace(
            session=by_code,
            recommendation=recommendation_by_code,
            item=recommendation_by_code.item,
            conversation=by_code.conversations.get(),
        ),
    )


def address(route, world):
    """Return the URL of the route, with the id of the object from `world` that the route needs."""
    if not route.converters:
        return reverse(route.name)
    if route.name in {"stop_address", "invitation"}:
        return reverse(route.name, args=["0123456789abcdef0123456789abcdef01234567"])
    if route.name == "unsubscribe":
        return unsubscribe_url(world.patron, ["conversations/answer"]).removeprefix(settings.BASE_URL)
    if route.name == "desk_old_address":
        return reverse(route.name, args=[f"{world.conversation.public_id}/"])
    if route.name == "open_code_link":
        return reverse(route.name, args=[world.code])
    found = getattr(world, OBJECT[route.name])
    if "file_id" in route.path:
        return reverse(route.name, args=[world.conversation.public_id, found.public_id])
    return reverse(route.name, args=[found.slug if "slug" in route.converters else found.public_id])
