"""The models for items, recommendations, verdicts and topics."""

from recommendations.covers.models import Cover

from .holdings import Holding, Place
from .items import Item, QuestionType, Recommendation, each_once
from .matches import ItemMatch
from .next_steps import NextStep
from .search import SearchEntry, SearchWord
from .topics import Topic, TopicName, topic_names

__all__ = [
    "Cover",
    "Holding",
    "Item",
    "ItemMatch",
    "NextStep",
    "Place",
    "QuestionType",
    "Recommendation",
    "SearchEntry",
    "SearchWord",
    "Topic",
    "TopicName",
    "each_once",
    "topic_names",
]
