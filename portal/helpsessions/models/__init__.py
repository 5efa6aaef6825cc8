"""The models for help sessions, and for the codes that open them."""

from .choices import OwnField, OwnValue, PatronGroup, ServicePoint, TallyKind
from .codes import AccountCode, ClaimCode
from .details import SessionNote, SessionRecommendation, SessionWord, UnfinishedForm
from .sessions import KEPT_BY_CODE_FOR_DAYS, TITLE_LENGTH, HelpSession

__all__ = [
    "KEPT_BY_CODE_FOR_DAYS",
    "TITLE_LENGTH",
    "AccountCode",
    "ClaimCode",
    "HelpSession",
    "OwnField",
    "OwnValue",
    "PatronGroup",
    "ServicePoint",
    "SessionNote",
    "SessionRecommendation",
    "SessionWord",
    "TallyKind",
    "UnfinishedForm",
]
