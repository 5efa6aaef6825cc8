"""The models for the conversations of patrons with the library."""

from .conversations import BranchQueue, Conversation, Participation, Side, at_desk_of
from .desk import ConversationNote, ConversationWords, NoteMention, ReplyTemplate
from .events import DeskEvent, Event
from .messages import Attachment, Draft, Message, MessageRecommendation, ReadersForm

__all__ = [
    "Attachment",
    "BranchQueue",
    "Conversation",
    "ConversationNote",
    "ConversationWords",
    "DeskEvent",
    "Draft",
    "Event",
    "Message",
    "MessageRecommendation",
    "NoteMention",
    "Participation",
    "ReadersForm",
    "ReplyTemplate",
    "Side",
    "at_desk_of",
]
