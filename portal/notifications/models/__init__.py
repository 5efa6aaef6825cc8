"""The outbox, what people choose about notices, their devices, webhook events, and the worker's jobs."""

from .outbox import (
    DeskUse,
    FailingAddress,
    Heartbeat,
    NoticeChoice,
    NoticeTimes,
    Notification,
    RepeatedJob,
    StaffNotice,
)
from .push import PushMessage, PushSubscription
from .webhooks import WebhookEvent

__all__ = [
    "DeskUse",
    "FailingAddress",
    "Heartbeat",
    "NoticeChoice",
    "NoticeTimes",
    "Notification",
    "PushMessage",
    "PushSubscription",
    "RepeatedJob",
    "StaffNotice",
    "WebhookEvent",
]
