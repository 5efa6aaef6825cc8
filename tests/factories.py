"""Create test data. A factory fills in believable defaults, and each test sets only what matters to it."""

import datetime
import io
import random
import uuid
from urllib.parse import urlsplit

import factory
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from factory.django import DjangoModelFactory
from PIL import Image, ImageDraw, ImageFilter

from accounts.models import (
    Absence,
    Branch,
    Invitation,
    InvitedRole,
    Library,
    Passkey,
    StaffRole,
    User,
    private_storage,
)
from portal.api.models import ApiToken
from portal.api.tokens import hash_of
from portal.checkins import links
from portal.checkins.models import CheckIn
from portal.conversations.attachments import add, checked
from portal.conversations.models import (
    Attachment,
    CallBack,
    Conversation,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    ReplyTemplate,
)
from portal.helpsessions import codes
from portal.helpsessions.models import (
    ClaimCode,
    HelpSession,
    PatronGroup,
    ServicePoint,
    SessionNote,
    SessionRecommendation,
    TallyKind,
)
from portal.imports.models import LogUpload
from portal.incoming.models import IncomingEmail
from portal.lists.models import SavedItem, SavedList
from portal.notifications.models import Notification, PushSubscription
from portal.notifications.push.keys import key_id
from portal.notifications.push.subscriptions import endpoint_hash
from portal.privacy.models import Erasure, Export
from recommendations.actions import add_item
from recommendations.models import Item, QuestionType, Recommendation, Topic
from tests.passkey_device import attested
from tests.push_device import PushDevice


class BranchFactory(DjangoModelFactory):
    class Meta:
        model = Branch

    name = factory.Sequence(lambda n: f"Branch {n}")
    slug = factory.Sequence(lambda n: f"branch-{n}")


class LibraryFactory(DjangoModelFactory):
    class Meta:
        model = Library
        django_get_or_create = ["id"]

    id = 1
    name = "Harbour Library"
    time_zone = "America/Chicago"
    default_branch = factory.SubFactory(BranchFactory, name="Harbour Main", slug="harbour-main")


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User

    name = factory.Sequence(lambda n: f"Patron {n}")
    email = factory.Sequence(lambda n: f"patron{n}@example.org")
    language = "en"


class ChildFactory(UserFactory):
    """A child's account, with a first name and no email address."""

    name = "Mia"
    email = None
    child_since = factory.LazyFunction(lambda: timezone.now() - datetime.timedelta(days=400))


class StaffFactory(UserFactory):
    """A staff member with the role `branch__role` (staff, by default) at `branch`, or at a new branch."""

    class Meta:
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Librarian {n}")
    email = factory.Sequence(lambda n: f"staff{n}@example.org")

    @factory.post_generation
    def branch(self, create, extracted, **kwargs):
        StaffRole.objects.create(
            user=self, branch=extracted or BranchFactory(), role=kwargs.get("role", "staff")
        )


class InvitationFactory(DjangoModelFactory):
    """An invitation to work as staff at `branch`, or at a new branch."""

    class Meta:
        model = Invitation
        skip_postgeneration_save = True

    name = "Noor Bakker"
    email = factory.Sequence(lambda n: f"noor{n}@example.org")
    language = "en"
    token_hash = factory.Sequence(lambda n: f"{n:064}")
    invited_by = factory.SubFactory(UserFactory)
    sent_at = factory.LazyFunction(timezone.now)

    @factory.post_generation
    def branch(self, create, extracted, **kwargs):
        role = kwargs.get("role", "staff")
        InvitedRole.objects.create(invitation=self, branch=extracted or BranchFactory(), role=role)


class PasskeyFactory(DjangoModelFactory):
    """A passkey without its private key. To sign in with a passkey, use tests.passkey_device.Device."""

    class Meta:
        model = Passkey

    person = factory.SubFactory(UserFactory)
    name = "Chrome on Android"
    handle = factory.SelfAttribute("person.public_id")
    credential_id = factory.LazyFunction(lambda: uuid.uuid4().bytes)
    credential = factory.LazyAttribute(
        lambda passkey: bytes(attested(passkey.credential_id, ec.generate_private_key(ec.SECP256R1())))
    )
    sign_count = 0
    added_on = factory.LazyFunction(lambda: Library.current().today())
    added_at = factory.LazyFunction(timezone.now)


class AbsenceFactory(DjangoModelFactory):
    """An absence today and on the next two days."""

    class Meta:
        model = Absence

    person = factory.SubFactory(StaffFactory)
    first_day = factory.LazyFunction(lambda: Library.current().today())
    last_day = factory.LazyAttribute(lambda absence: absence.first_day + datetime.timedelta(days=2))


class TopicFactory(DjangoModelFactory):
    class Meta:
        model = Topic

    name = factory.Sequence(lambda n: f"Topic {n}")


class ItemFactory(DjangoModelFactory):
    """An item that the search finds, because the factory calls add_item()."""

    class Meta:
        model = Item

    title = factory.Sequence(lambda n: f"The Book of Things {n}")
    creators = "A. Writer"
    kind = Item.Kind.BOOK

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return add_item(at=kwargs.pop("added_at", timezone.now()), **kwargs)


class HelpSessionFactory(DjangoModelFactory):
    class Meta:
        model = HelpSession

    status = HelpSession.Status.RECORDED
    branch = factory.SubFactory(BranchFactory)
    staff = factory.LazyAttribute(lambda session: StaffFactory(branch=session.branch))
    happened_on = factory.LazyFunction(lambda: timezone.now().date())
    hour = 14
    question_type = QuestionType.REFERENCE
    question = "How do I start a balcony compost bin?"
    summary = "We found three books and a course."
    created_at = factory.LazyFunction(timezone.now)


class PatronGroupFactory(DjangoModelFactory):
    class Meta:
        model = PatronGroup

    name = factory.Sequence(lambda n: f"Group {n}")


class ServicePointFactory(DjangoModelFactory):
    class Meta:
        model = ServicePoint

    branch = factory.SubFactory(BranchFactory)
    name = factory.Sequence(lambda n: f"Desk {n}")


class TallyKindFactory(DjangoModelFactory):
    class Meta:
        model = TallyKind

    service_point = factory.SubFactory(ServicePointFactory)
    name = factory.Sequence(lambda n: f"Kind {n}")


class QuietSessionFactory(HelpSessionFactory):
    quiet = True
    question = "Where can I get help with a violent partner?"


class SharedSessionFactory(HelpSessionFactory):
    """A shared visit with a child. If `shared_with` is given, this adult has the visit in their account."""

    with_child = "shared"
    question = "Why do volcanoes erupt?"
    shared_at = factory.LazyAttribute(lambda s: timezone.now() if getattr(s, "shared_with", None) else None)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        session = super()._create(model_class, *args, **kwargs)
        if session.shared_with:
            session.shared_with.has_shared_visits = True
            session.shared_with.save(update_fields=["has_shared_visits"])
        return session


class SessionNoteFactory(DjangoModelFactory):
    class Meta:
        model = SessionNote

    help_session = factory.SubFactory(HelpSessionFactory)
    body = "STAFF ONLY: seemed upset"
    written_at = factory.LazyFunction(timezone.now)


class CheckInFactory(DjangoModelFactory):
    """A planned check-in, due today."""

    class Meta:
        model = CheckIn

    help_session = factory.SubFactory(HelpSessionFactory)
    due_on = factory.LazyFunction(lambda: timezone.now().date())
    created_at = factory.SelfAttribute("help_session.created_at")


def ask_by_email(help_session, *, at=None, **fields):
    """Create a check-in that was emailed at `at`. Return (the check-in, the path of the link in the email)."""
    at = at or timezone.now()
    sent = {"status": "asked", "asked": help_session.patron, "asked_by": help_session.staff, "asked_at": at}
    check_in = CheckInFactory.build(help_session=help_session, created_at=at, **sent | fields)
    token = links.new_link(check_in, at=at)
    check_in.save()
    return check_in, links.url_of(token).removeprefix(settings.BASE_URL)


class RecommendationFactory(DjangoModelFactory):
    """A recommendation with the patron, staff and branch of `help_session`, or of a new help session.

    The factory doesn't link the recommendation to the help session. Use recommend_in() for that.
    """

    class Meta:
        model = Recommendation

    class Params:
        help_session = factory.SubFactory(HelpSessionFactory)

    item = factory.SubFactory(ItemFactory)
    reason = "because you asked for something a beginner can follow"
    patron = factory.SelfAttribute("help_session.patron")
    recommended_by = factory.SelfAttribute("help_session.staff")
    branch = factory.SelfAttribute("help_session.branch")
    question_type = factory.SelfAttribute("help_session.question_type")
    recommended_at = factory.SelfAttribute("help_session.created_at")


def recommend_in(help_session, count=1, **kwargs):
    """Create `count` recommendations in the help session, and return the recommendations."""
    recommendations = RecommendationFactory.create_batch(count, help_session=help_session, **kwargs)
    return _link(SessionRecommendation, recommendations, help_session=help_session)


def recommend_in_message(message, count=1, **kwargs):
    """Create `count` recommendations in an answer, and return the recommendations."""
    session = message.conversation.help_session
    recommendations = RecommendationFactory.create_batch(count, help_session=session, **kwargs)
    return _link(MessageRecommendation, recommendations, message=message)


def _link(model, recommendations, **owner):
    model.objects.bulk_create(
        model(recommendation=recommendation, position=position, **owner)
        for position, recommendation in enumerate(recommendations)
    )
    return recommendations


def code_for(help_session, *, at=None, state=ClaimCode.State.LIVE):
    """Create a claim code for the help session, and return the 13 digits of the code.

    If `help_session` is None, the code is on a blank code card.
    """
    at = at or timezone.now()
    code = codes.new_code()
    ClaimCode.objects.create(
        hmac=codes.hmac_of(code),
        state=state if help_session else ClaimCode.State.BLANK,
        help_session=help_session,
        branch=help_session.branch if help_session else BranchFactory(),
        made_at=at,
        expires_at=at + datetime.timedelta(days=30),
    )
    return code


class ConversationFactory(DjangoModelFactory):
    """A conversation that waits for staff. It has no messages: add them with MessageFactory."""

    class Meta:
        model = Conversation

    help_session = factory.SubFactory(HelpSessionFactory)
    patron = factory.SelfAttribute("help_session.patron")
    branch = factory.SelfAttribute("help_session.branch")
    subject = "How do I start a balcony compost bin?"
    status = Conversation.Status.WAITING_FOR_STAFF
    reason = Conversation.Reason.ASKED
    opened_at = factory.LazyFunction(timezone.now)
    at_desk_from = factory.SelfAttribute("opened_at")
    waiting_since = factory.LazyAttribute(lambda c: c.opened_at if c.status == "waiting_for_staff" else None)
    closed_at = factory.LazyAttribute(lambda c: c.opened_at if c.status in {"closed", "erased"} else None)
    queued_at = factory.LazyAttribute(lambda c: c.waiting_since or c.closed_at or c.opened_at)
    assigned_at = factory.LazyAttribute(lambda c: c.opened_at if getattr(c, "assignee", None) else None)


class CallBackFactory(DjangoModelFactory):
    """A phone number for an open call. Creating the row also makes its conversation wait for the call."""

    class Meta:
        model = CallBack
        skip_postgeneration_save = True

    conversation = factory.SubFactory(ConversationFactory)
    by = factory.SelfAttribute("conversation.patron")
    number = "414-555-0134"
    ask_for = "Ada Lovelace"
    asked_at = factory.LazyAttribute(lambda call: call.conversation.opened_at)

    @factory.post_generation
    def wait(call, create, extracted, **kwargs):
        """Store that the patron asked for the call, and since when the conversation waits for it."""
        conversation, at = call.conversation, call.asked_at
        Event.objects.create(
            conversation=conversation, kind="call_asked", side="patron", by=call.by, at=at, shown_from=at
        )
        conversation.call_since = at
        conversation.save(update_fields=["call_since"])


class MessageFactory(DjangoModelFactory):
    """A message. Creating it also sets `last_message_at` of its conversation."""

    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    side = Message.Side.PATRON
    author = factory.LazyAttribute(
        lambda m: m.conversation.patron if m.side == "patron" else m.conversation.help_session.staff
    )
    body = "The soil test page was spot on."
    language = "en"
    sent_at = factory.LazyFunction(timezone.now)
    # The message is shown immediately, without an undo window.
    shown_from = factory.SelfAttribute("sent_at")
    then = factory.LazyAttribute(lambda m: "turn" if m.side == Message.Side.STAFF else "")
    client_token = factory.LazyFunction(uuid.uuid4)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        message = super()._create(model_class, *args, **kwargs)
        message.conversation.last_message_at = message.shown_from
        message.conversation.save(update_fields=["last_message_at"])
        return message


def picture_file(name="shelf.jpg", *, size=(120, 80), kind="JPEG", color="#2b5876", **options):
    """Return an uploaded picture. `options` go to Pillow's encoder."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind, **options)
    return SimpleUploadedFile(name, out.getvalue())


def photograph(name="photo.jpg", *, size=(960, 720), seed=1):
    """Return an uploaded picture with shapes and grain.

    The picture and its preview have as many bytes as a photograph and the preview of a photograph.
    """
    chance, (width, height) = random.Random(seed), size
    picture = Image.merge("RGB", [Image.linear_gradient("L").resize(size)] * 3)
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y = chance.randrange(width), chance.randrange(height)
        across, down = chance.randrange(8, max(size) // 8), chance.randrange(8, max(size) // 8)
        color = tuple(chance.randrange(40, 220) for _channel in "RGB")
        draw.ellipse((x - across, y - down, x + across, y + down), fill=color)
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    # The grain is about as coarse as a pixel of the preview. Finer grain would disappear in the preview.
    columns, rows = (max(1, side * 480 // max(size)) for side in size)
    grain = Image.frombytes("L", (columns, rows), chance.randbytes(columns * rows)).resize(size)
    out = io.BytesIO()
    Image.blend(picture, Image.merge("RGB", [grain] * 3), 0.1).save(out, "JPEG", quality=90)
    return SimpleUploadedFile(name, out.getvalue())


def pdf_file(name="form.pdf", content=b"%PDF-1.4 a form of the library"):
    return SimpleUploadedFile(name, content)


def attach_to(message, *files, alt=""):
    """Attach the files to the message. Without `files`, attach a picture. Return the last attachment."""
    for file in files or [picture_file()]:
        usable = checked([(file.name, file, "")])[0][0][1]
        attachment = add(
            message.conversation,
            by=message.author,
            side=message.side,
            client_token=uuid.uuid4(),
            at=message.sent_at,
            name=file.name,
            usable=usable,
        )
        Attachment.objects.filter(pk=attachment.pk).update(
            message=message, client_token=message.client_token, alt=alt
        )
        Draft.objects.filter(client_token=attachment.client_token).delete()
    attachment.refresh_from_db()
    return attachment


RAW_EMAIL = b"From: Sam <sam@example.org>\r\nSubject: Re: The library has answered\r\n\r\nStill no luck.\r\n"


class IncomingEmailFactory(DjangoModelFactory):
    """An email that was not matched, because its sender's address isn't the patron's.

    If `message` is set, the email was matched, and the message was made from it.
    """

    class Meta:
        model = IncomingEmail

    came_at = factory.LazyFunction(timezone.now)
    message_id_hmac = factory.Sequence("{:064x}".format)
    message = None
    reason = factory.LazyAttribute(lambda o: "" if o.message else "other_sender")
    sender = "sam.at.work@example.net"
    subject = "Re: The library has answered"
    text = factory.LazyAttribute(lambda o: "" if o.message else "Still no luck.")
    person = factory.LazyAttribute(lambda o: o.message and o.message.author)
    file = factory.LazyFunction(lambda: ContentFile(RAW_EMAIL, name="emails/original.eml"))
    size = len(RAW_EMAIL)


class SavedListFactory(DjangoModelFactory):
    class Meta:
        model = SavedList

    patron = factory.SubFactory(UserFactory)
    made_at = factory.LazyFunction(timezone.now)
    used_at = factory.SelfAttribute("made_at")


class SavedItemFactory(DjangoModelFactory):
    class Meta:
        model = SavedItem

    saved_list = factory.SubFactory(SavedListFactory)
    item = factory.SubFactory(ItemFactory)
    position = factory.Sequence(lambda number: -number)
    saved_at = factory.LazyFunction(timezone.now)


class ReplyTemplateFactory(DjangoModelFactory):
    """A reply template for all branches."""

    class Meta:
        model = ReplyTemplate

    language = "en"
    name = factory.Sequence(lambda n: f"Template {n}")
    body = "Hello, {patron}! We have put {item} aside for you."
    changed_at = factory.LazyFunction(timezone.now)


class ExportFactory(DjangoModelFactory):
    """An export that is ready, with its file."""

    class Meta:
        model = Export

    person = factory.SubFactory(UserFactory)
    language = "en"
    state = Export.State.READY
    asked_at = factory.LazyFunction(timezone.now)
    ready_at = factory.LazyFunction(timezone.now)
    file = factory.LazyFunction(
        lambda: private_storage().save(f"exports/{uuid.uuid4()}.zip", ContentFile(b"a copy"))
    )
    size = 6


class LogUploadFactory(DjangoModelFactory):
    """A desk log that was uploaded and not read yet."""

    class Meta:
        model = LogUpload

    person = factory.SubFactory(UserFactory)
    name = "log.csv"
    size = 20
    language = "en"
    file = factory.LazyFunction(
        lambda: private_storage().save(
            f"desk-logs/{uuid.uuid4()}.log", ContentFile(b"Date,Type\n1/16/2024,\n")
        )
    )
    uploaded_at = factory.LazyFunction(timezone.now)
    kept_until = factory.LazyAttribute(lambda row: row.uploaded_at + LogUpload.KEPT_FOR)
    task = LogUpload.Task.READ


class ErasureFactory(DjangoModelFactory):
    class Meta:
        model = Erasure

    erased_at = factory.LazyFunction(timezone.now)
    language = "en"
    counts = factory.LazyFunction(lambda: {"visits": 2, "messages": 3})


class NotificationFactory(DjangoModelFactory):
    """An email that waits in the outbox."""

    class Meta:
        model = Notification

    class Params:
        dead = factory.Trait(
            state=Notification.State.DEAD,
            died_at=factory.SelfAttribute("created_at"),
            last_error="550 no such mailbox",
        )

    kind = "conversations/answer"
    recipient = factory.SubFactory(UserFactory)
    to_address = factory.LazyAttribute(lambda row: row.recipient.email if row.recipient else "x@example.org")
    language = "en"
    subject = "The library has answered"
    text = "Open it"
    message_id = factory.Sequence(lambda n: f"<{n}@library.example>")
    created_at = factory.LazyFunction(timezone.now)
    due_at = factory.SelfAttribute("created_at")


def sign_in_row(person):
    """Create a session for the person as a sign-in does, and return its UserSession."""
    session = SessionStore()
    session.create()
    return UserSession.objects.create(
        user=person, session_key=session.session_key, ip="127.0.0.1", user_agent="Firefox on Android"
    )


class PushSubscriptionFactory(DjangoModelFactory):
    """The push subscription of a person's device.

    If `about` and `ends_at` are set, it is the subscription of a browser that opened a visit with a code.
    `device_keys` is a PushDevice.
    """

    class Meta:
        model = PushSubscription

    class Params:
        device_keys = factory.LazyFunction(PushDevice)

    person = factory.LazyAttribute(lambda row: None if row.about else UserFactory())
    sign_in = factory.LazyAttribute(lambda row: row.person and sign_in_row(row.person))
    about = ""
    endpoint = factory.LazyAttribute(lambda row: row.device_keys.endpoint)
    endpoint_hash = factory.LazyAttribute(lambda row: endpoint_hash(row.endpoint))
    host = factory.LazyAttribute(lambda row: urlsplit(row.endpoint).hostname)
    p256dh = factory.LazyAttribute(lambda row: row.device_keys.p256dh)
    auth = factory.LazyAttribute(lambda row: row.device_keys.auth)
    key_id = factory.LazyFunction(key_id)
    language = "en"
    device = "Firefox on Android"
    created_at = factory.LazyFunction(timezone.now)
    checked_at = factory.LazyFunction(timezone.now)


class ApiTokenFactory(DjangoModelFactory):
    """A token with all scopes at `branches`. It may not save free text, because `may_send_words` is False.

    To send a request, use the token's `name` as the secret.
    """

    class Meta:
        model = ApiToken
        skip_postgeneration_save = True

    name = "Chat service"
    token_hash = factory.LazyAttribute(lambda token: hash_of(token.name))
    scopes = factory.LazyFunction(lambda: list(ApiToken.Scope.values))
    made_at = factory.LazyFunction(timezone.now)

    @factory.post_generation
    def branches(self, create, extracted, **kwargs):
        self.branches.set(extracted or [])
