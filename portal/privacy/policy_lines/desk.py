"""Policy lines about the desk's work and its staff."""

from django.utils.translation import gettext_lazy as _

from accounts.models import Invitation
from accounts.staff import shared_desks
from portal.lists.links import ENDED_KEPT_FOR
from portal.notifications.actions import KEEP_DESK_USE, KEEP_STAFF_NOTICES
from portal.privacy import unfinished_corrections
from portal.privacy.retention import EVENTS_FOR, UNFINISHED_FOR
from portal.privacy.unmerging import CAN_BE_UNMERGED_FOR

from .line import Group, Line

LINES = {
    "accounts.AuditEvent": Line(
        _("a log of who opened or changed your data, and when, without the data itself"),
        _("Kept for {0}, or longer if the law requires it."),
        _("so that you can see who looked at your data"),
        Group.DESK,
        (EVENTS_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "accounts.LookingReason": Line(
        _(
            "a staff member's reason for opening your record, if you had no visit or conversation at "
            "their desk"
        ),
        _("Kept until you erase your account, for {0} at most. Kept longer if the law requires it."),
        _("so that a coordinator can check the reason"),
        Group.DESK,
        (EVENTS_FOR,),
        ended_by="forget_what_is_due",
        ends_with="accounts.AuditEvent",
    ),
    "privacy.MergedRecords": Line(
        _("what two records contained before they were merged"),
        _("Kept for {0} after the two records were merged."),
        _("so that a mistaken merge can be undone"),
        Group.DESK,
        (CAN_BE_UNMERGED_FOR,),
        ended_by="forget_merged_records",
    ),
    "helpsessions.SessionNote": Line(
        _("a staff note about a visit"),
        _("Kept until the visit is deleted."),
        _("so that other staff can continue to help you"),
        Group.DESK,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.UnfinishedForm": Line(
        _("what staff typed about a visit that isn't recorded yet"),
        _("Kept until staff record or discard the visit, for {0} at most."),
        _("so that nothing staff typed is lost"),
        Group.DESK,
        (UNFINISHED_FOR,),
        ended_by="forget_what_is_due",
        ends_with="helpsessions.HelpSession",
    ),
    "privacy.UnfinishedCorrection": Line(
        _("what staff typed to correct a visit, if they haven't saved it yet"),
        _("Kept until staff save or discard the correction, for {0} at most."),
        _("so that nothing staff typed is lost"),
        Group.DESK,
        (unfinished_corrections.KEPT_FOR,),
        ended_by="forget_unfinished_corrections",
        ends_with="helpsessions.HelpSession",
    ),
    "privacy.Correction": Line(
        _(
            "what staff corrected in a visit, and when (during a legal hold, also the text before "
            "the correction)"
        ),
        _("Kept until the visit is deleted."),
        _("so that staff know what changed"),
        Group.DESK,
        ends_with="helpsessions.HelpSession",
    ),
    "conversations.DeskEvent": Line(
        _(
            "which staff members took, assigned, transferred or snoozed a conversation or changed its due "
            "day, and when"
        ),
        _("Kept until the conversation is deleted."),
        _("so that other staff can continue to help you"),
        Group.DESK,
        ends_with="conversations.Conversation",
    ),
    "conversations.ConversationNote": Line(
        _("staff notes about a conversation"),
        _("Kept until the conversation is deleted."),
        _("so that other staff can continue to help you"),
        Group.DESK,
        ends_with="conversations.Conversation",
    ),
    "conversations.NoteMention": Line(
        "which staff members a note mentions, and whether they have seen it",
        "Kept until the note is deleted.",
        "to notify them",
        Group.STAFF,
        ends_with="conversations.ConversationNote",
    ),
    "privacy.LegalHold": Line(
        _("a legal hold: a note that the law forbids deleting a record for now, and why"),
        _("Kept for {0} after a coordinator lifts the hold."),
        _("because the law can require us to keep a record for longer than usual"),
        Group.DESK,
        (EVENTS_FOR,),
        ended_by="forget_what_is_due",
    ),
    "accounts.StaffRole": Line(
        "the branches where a staff member works, and whether as a coordinator",
        "Kept until a coordinator ends it.",
        "to open the desk only to staff",
        Group.STAFF,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.Invitation": Line(
        "the people invited to work at a desk: name, address, language, a fingerprint of the link's token, "
        "and who invited them",
        "Kept until they accept or a coordinator withdraws it, for {0} at most.",
        "to let staff sign in",
        Group.STAFF,
        (Invitation.KEPT_FOR,),
        exported=True,
        ended_by="forget_old_invitations",
        ends_with="accounts.User",
    ),
    "accounts.InvitedRole": Line(
        "the branches and roles of an invitation",
        "Kept until the invitation is deleted.",
        "to let staff sign in",
        Group.STAFF,
        exported=True,
        ends_with="accounts.Invitation",
    ),
    "accounts.SharedDesk": Line(
        "a shared desk computer that is unlocked: branch, name, who unlocked it, a fingerprint of its cookie",
        "Kept until the day is over or someone closes it, for {0} at most.",
        "so that staff can switch users there with a PIN",
        Group.STAFF,
        (shared_desks.LASTS,),
        ended_by="forget_shared_desks",
    ),
    "accounts.DeskPin": Line(
        "a fingerprint of a staff member's PIN for shared desk computers, never the PIN itself, and the day "
        "it was set",
        "Kept until the person removes it or no longer has a role.",
        "to open a shared desk computer as that person",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "accounts.PinTries": Line(
        "how often a person's PIN was wrong on a shared desk computer",
        "Kept until the computer's day is over.",
        "to block a PIN that someone tries to guess",
        Group.STAFF,
        ends_with="accounts.SharedDesk",
    ),
    "mfa.Authenticator": Line(
        "the secret of a second factor",
        "Kept until the person removes it or no longer has a role.",
        "to sign staff in safely",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "notifications.StaffNotice": Line(
        "that something happened that staff get an email about: what it was, the branch, and the id of the "
        "conversation",
        "Kept for {0} after the emails were written.",
        "to tell each staff member once",
        Group.LIBRARY,
        (KEEP_STAFF_NOTICES,),
        ended_by="forget_old_notifications",
    ),
    "notifications.DeskUse": Line(
        "when a staff member last used the desk, to the minute",
        "Only the last time is kept, for {0} at most.",
        "so that nobody gets emails about the desk while they use it",
        Group.STAFF,
        (KEEP_DESK_USE,),
        ended_by="forget_old_notifications",
        ends_with="accounts.User",
    ),
    "lists.StaffLink": Line(
        "a link with which staff share items: who made it, when, at which branch, and its address, "
        "encrypted; not from which visit or conversation the items are, and not who opens it",
        "Kept for {0} after it ends.",
        "so that staff can show items to others and end the link",
        Group.STAFF,
        (ENDED_KEPT_FOR,),
        ended_by="forget_staff_links",
    ),
    "lists.StaffLinkItem": Line(
        "the items that such a link shows",
        "Kept until staff end the link, or for {0} after it ended by itself.",
        "so that visitors of the link see them",
        Group.STAFF,
        (ENDED_KEPT_FOR,),
        ended_by="forget_staff_links",
        ends_with="lists.StaffLink",
    ),
    "kits.Kit": Line(
        "kits of items: branch, topic, and whose own kit it is; not from which visits the items are",
        "Kept until the portal is removed. A staff member's own kit is deleted with their last role.",
        "so that staff choose items once that they often recommend",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "accounts.Absence": Line(
        "the days when a staff member is away, and who covers for them",
        "Kept until they or a coordinator remove it.",
        "so that nobody waits for them",
        Group.STAFF,
        ends_with="accounts.User",
    ),
}
