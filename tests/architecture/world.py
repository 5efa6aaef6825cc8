"""Build a library with objects of every kind, people who may open the objects, and people who may not."""

import uuid
from types import SimpleNamespace

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import BranchCode, RefusedPost
from accounts.staff import shared_desks
from portal.conversations.notes import write_note
from portal.counts.models import LogImport
from portal.helpsessions.models import HelpSession
from portal.incoming.models import EmailReader
from portal.kits.actions import make_kit
from portal.kits.models import Kit, KitItem
from portal.lists.links import address_of, make_link
from portal.lists.staff_links import make_staff_link
from portal.notifications.unsubscribing import unsubscribe_url
from portal.privacy import holds
from recommendations.chosen_items import ChosenItem
from recommendations.covers.stored import save_cover
from tests.factories import (
    AbsenceFactory,
    ApiTokenFactory,
    BranchFactory,
    CallBackFactory,
    CheckInFactory,
    ConversationFactory,
    ErasureFactory,
    ExportFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    InvitationFactory,
    LibraryFactory,
    LogUploadFactory,
    MessageFactory,
    NotificationFactory,
    PasskeyFactory,
    ReplyTemplateFactory,
    SavedItemFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    ask_by_email,
    attach_to,
    code_for,
    recommend_in,
    recommend_in_message,
)
from tests.portal.surveys.rules import save_preset

from .routes import OBJECT


def build():
    """Create a library and its people, and build all objects for them."""
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
    answer = MessageFactory(conversation=conversation, side="staff", author=staff)
    recommend_in_message(answer)
    emailed = MessageFactory(conversation=conversation, author=patron, by_email="own")
    IncomingEmailFactory(message=emailed)
    added = MessageFactory(conversation=conversation, author=patron, by_email="added")
    other_conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron),
        subject="Another matter",
    )
    MessageFactory(conversation=other_conversation)
    CallBackFactory(conversation=other_conversation)
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
    # Coordinators name the staff who see emails that were not matched.
    EmailReader.objects.create(person=staff, named_by=coordinator, named_at=timezone.now())
    # The other patron is the adult of a shared visit, but may open no other object of `patron`.
    other_patron = UserFactory(name="Somebody Else", email="else@example.org")
    SharedSessionFactory(branch=branch, staff=staff, patron=patron, shared_with=other_patron)
    saved_item = SavedItemFactory(saved_list__patron=patron, item=recommendation.item)
    for each in (recommendation, recommendation_by_code):
        each.item.isbn = f"978{each.item.pk:010}"
        each.item.has_cover = True
        each.item.save()
        save_cover(each.item.isbn, b"a picture", on=timezone.localdate())
    list_link = make_link(saved_item.saved_list, with_notes=True, at=timezone.now())
    return SimpleNamespace(
        session=session,
        recommendation=recommendation,
        conversation=conversation,
        shared_desk=shared_desks.unlock(branch=branch, name="Front desk", by=staff, at=timezone.now())[0],
        attachment=attachment,
        answer=answer,
        staff_link=make_staff_link([recommendation.item], branch=branch, by=staff, at=timezone.now()),
        kit=make_kit(
            branch=branch,
            topic=None,
            language="en",
            name="First gardens",
            description="",
            items=[ChosenItem(item=recommendation.item)],
            by=staff,
            at=timezone.now(),
        ),
        rule_set=save_preset("pls", timezone.localdate().replace(month=1, day=1)),
        log_upload=LogUploadFactory(person=coordinator),
        log_import=LogImport.objects.create(started_at=timezone.now(), file_name="log.csv"),
        own_kit=own_kit_of(staff, recommendation.item),
        emailed=emailed,
        added=IncomingEmailFactory(message=added, added_by=staff, added_at=timezone.now()),
        not_matched=IncomingEmailFactory(conversation=conversation, person=patron),
        item=recommendation.item,
        saved_item=saved_item,
        saved_list=saved_item.saved_list,
        list_link=list_link,
        list_link_path=address_of(list_link).removeprefix(settings.BASE_URL),
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
        check_in_path=ask_by_email(HelpSessionFactory(branch=branch, staff=staff, patron=patron))[1],
        email=NotificationFactory(recipient=patron, dead=True),
        check_in=CheckInFactory(help_session=session),
        branch=branch,
        api_token=ApiTokenFactory(branches=[branch]),
        branch_code=BranchCode.objects.create(code="EAST", met=3, met_at=timezone.now()),
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


def own_kit_of(person, item):
    """Create the own kit of a staff member, with one item."""
    kit = Kit.objects.create(owner=person, changed_at=timezone.now())
    KitItem.objects.create(kit=kit, item=item, position=0)
    return kit


def address(route, world):
    """Return the URL of the route, with the id of the object from `world` that the route needs."""
    if not route.converters:
        return reverse(route.name)
    if route.name in {"stop_address", "invitation"}:
        return reverse(route.name, args=["0123456789abcdef0123456789abcdef01234567"])
    if route.name == "manifest":
        return reverse("manifest", args=["en"])
    if route.name == "app_icon":
        return reverse("app_icon", args=["0", "192"])
    if route.name == "unsubscribe":
        return unsubscribe_url(world.patron, ["conversations/answer"]).removeprefix(settings.BASE_URL)
    if route.name == "how_it_went":
        return world.check_in_path
    if route.name == "shared_list":
        return world.list_link_path
    if route.name == "shared_item":
        return f"{world.list_link_path}items/{world.item.public_id}/"
    if route.name == "copy_shared_list":
        return f"{world.list_link_path}copy/"
    if route.name == "shared_cover":
        return f"{world.list_link_path}covers/{world.item.public_id}/"
    if route.name == "desk_old_address":
        return reverse(route.name, args=[f"{world.conversation.public_id}/"])
    if route.name == "open_code_link":
        return reverse(route.name, args=[world.code])
    found = getattr(world, OBJECT[route.name])
    if "file_id" in route.path or "message_id" in route.path:
        return reverse(route.name, args=[world.conversation.public_id, found.public_id])
    if "item_id" in route.path:
        return reverse(route.name, args=[found.public_id, world.item.public_id])
    return reverse(route.name, args=[found.slug if "slug" in route.converters else found.public_id])
