"""The models for the conversations of patrons with the library."""

from .call_backs import CallBack
from .conversations import Conversation, at_desk_of
from .desk import BranchQueue, ConversationNote, ConversationWords, NoteMention, ReplyTemplate
from .events import DeskEvent, Event
from .messages import Attachment, Draft, Message, MessageRecommendation, ReadersForm
from .participations import Participation, Side

__all__ = [
    "Attachment",
    "BranchQueue",
    "CallBack",
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
