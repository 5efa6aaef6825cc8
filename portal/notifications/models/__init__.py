"""The outbox, what people choose about notices, their devices, and the models of the worker's jobs."""

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
]
