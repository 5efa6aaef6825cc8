"""The models for the library, its patrons and staff, their sign-in methods, and the audit trail."""

from .audit import AuditEvent, LookingReason
from .library import Branch, BranchCode, ClosedDay, Library, OpeningHours, private_storage
from .names import NameWord
from .people import Consent, RefusedPost, User
from .sign_in import AddressChange, KeptDevice, LibraryCard, Passkey
from .staff import Absence, DeskPin, Invitation, InvitedRole, PinTries, SharedDesk, StaffRole

__all__ = [
    "Absence",
    "AddressChange",
    "AuditEvent",
    "Branch",
    "BranchCode",
    "ClosedDay",
    "Consent",
    "DeskPin",
    "Invitation",
    "InvitedRole",
    "KeptDevice",
    "Library",
    "LibraryCard",
    "LookingReason",
    "NameWord",
    "OpeningHours",
    "Passkey",
    "PinTries",
    "RefusedPost",
    "SharedDesk",
    "StaffRole",
    "User",
    "private_storage",
]
