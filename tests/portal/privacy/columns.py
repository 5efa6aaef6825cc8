"""List what an export, a merge and an erasure do with each column of each model.

tests/portal/privacy/test_columns.py fails for a new column until this module lists the column. This module
doesn't list:

- for exports: columns that an export reads by name
- for merges: columns of rows that a merge moves or deletes as a whole
- for erasures: columns of rows that an erasure deletes
"""

# The reasons for leaving a column out of the person's export.
PERSON = "it only says whose row it is"
PORTAL = "it says nothing about the person: keys, order, and how the portal works"
ELSEWHERE = "another column or table of the export says it"
QUIET = "it is always no: a quiet visit names nobody, so no export has one"
ON_ME = "the page Me shows it for as long as it is kept"
FORGOTTEN = "it is set only after the visit has been forgotten"
SECRET = "it is a secret, or would help to break in"
STATISTICS = "the library counts with it"
OTHERS = "it is about another person"
DESK = "it is the desk's work, which only the desk may see"
LIBRARY = "it is about the library, not about a person"
UNUSED = "the portal doesn't use it"
SHORT = "it is kept for a day at most"

# {model: {reason: columns}}
LEFT_OUT = {
    "accounts.User": {
        PORTAL: "id is_active has_shared_visits",
        UNUSED: "password",
        ELSEWHERE: "remember_chosen_at",
    },
    "accounts.NameWord": {PORTAL: "id", PERSON: "person", ELSEWHERE: "word"},
    "account.EmailAddress": {PORTAL: "id", PERSON: "user"},
    "account.EmailConfirmation": {UNUSED: "id email_address created sent key"},
    "accounts.LibraryCard": {PORTAL: "id", PERSON: "person"},
    "socialaccount.SocialAccount": {
        PORTAL: "id",
        PERSON: "user",
        ELSEWHERE: "last_login",
        UNUSED: "extra_data",
    },
    "socialaccount.SocialApp": {UNUSED: "id provider provider_id name client_id secret key settings"},
    "socialaccount.SocialToken": {UNUSED: "id app account token token_secret expires_at"},
    "accounts.Consent": {PORTAL: "id", PERSON: "person", OTHERS: "read_by"},
    "accounts.AddressChange": {PERSON: "person", SECRET: "email token_hash"},
    "accounts.AuditEvent": {PORTAL: "id", DESK: "results"},
    "accounts.LookingReason": {DESK: "event patron reason"},
    "accounts.RefusedPost": {SHORT: "id public_id person browser at_once path fields refused_at"},
    "accounts.Passkey": {
        PORTAL: "id public_id sign_count",
        PERSON: "person",
        ELSEWHERE: "added_at",
        SECRET: "handle credential_id credential",
    },
    "accounts.StaffRole": {PORTAL: "id", PERSON: "user"},
    "accounts.Invitation": {PORTAL: "id language", SECRET: "token_hash"},
    "accounts.InvitedRole": {PORTAL: "id"},
    "accounts.SharedDesk": {
        DESK: "id public_id branch name token_hash unlocked_by unlocked_at until closed_at wrong_tries"
    },
    "accounts.DeskPin": {SECRET: "person pin_hash set_on wrong_tries"},
    "accounts.PinTries": {SECRET: "id desk person count"},
    "accounts.Absence": {DESK: "id public_id person first_day last_day cover"},
    "accounts.Library": {
        LIBRARY: "id name time_zone language accent_color logo catalog_link closes_after_days "
        "released_after_days desk_locks_after_minutes default_branch children childrens_groups "
        "first_week_hidden_at backed_up_at"
    },
    "accounts.Branch": {
        LIBRARY: "id name slug address phone promise_hours send_button back_to_writer covered_by "
        "last_seen_on unattended_from closed_at"
    },
    "accounts.OpeningHours": {LIBRARY: "id branch weekday opens closes"},
    "accounts.ClosedDay": {LIBRARY: "id branch day reason"},
    "sessions.Session": {SECRET: "session_key session_data expire_date"},
    "usersessions.UserSession": {
        PORTAL: "id data",
        PERSON: "user",
        ON_ME: "last_seen_at",
        SECRET: "session_key",
    },
    "mfa.Authenticator": {SECRET: "id user type data created_at last_used_at"},
    "portal.LimitCount": {SHORT: "key moments expires_at"},
    "privacy.Export": {
        PORTAL: "id public_id person language state asked_at done total leased_until attempts ready_at "
        "file size"
    },
    "privacy.Erasure": {LIBRARY: "id public_id erased_at language counts"},
    "privacy.Correction": {DESK: "id help_session by at fields old_words"},
    "privacy.UnfinishedCorrection": {DESK: "id help_session by version fields saved_at"},
    "privacy.MergedRecords": {DESK: "id public_id into by merged_at before"},
    "privacy.LegalHold": {
        DESK: "id public_id kind name person help_session conversation comes_from reason set_by set_at "
        "lifted_by lifted_at"
    },
    "helpsessions.HelpSession": {
        PORTAL: "id status is_the_childs_alone",
        PERSON: "patron",
        OTHERS: "shared_with",
        STATISTICS: "read_level minutes people",
        QUIET: "quiet",
        ELSEWHERE: "created_at",
        FORGOTTEN: "forgotten_on patron_group answered_within",
    },
    "helpsessions.SessionWord": {PORTAL: "id help_session word"},
    "helpsessions.SessionRecommendation": {PORTAL: "id position is_dismissed"},
    "helpsessions.SessionNote": {DESK: "help_session body author written_at"},
    "helpsessions.UnfinishedForm": {DESK: "help_session fields saved_at"},
    "helpsessions.ClaimCode": {SECRET: "id hmac state help_session branch made_by made_at expires_at"},
    "helpsessions.AccountCode": {SECRET: "person hmac made_by expires_at"},
    "recommendations.Recommendation": {PORTAL: "id starred", PERSON: "patron"},
    "recommendations.Topic": {LIBRARY: "id name retired_at"},
    "recommendations.TopicName": {LIBRARY: "id topic language name"},
    "recommendations.Item": {
        LIBRARY: "id public_id kind title creators original_title original_creators original_lang publisher "
        "year isbn doi url series summary search_words language is_fiction source source_key added_at retired_at"
    },
    "recommendations.Holding": {LIBRARY: "id item branch call_number location"},
    "recommendations.SearchEntry": {LIBRARY: "item title names rest"},
    "conversations.Conversation": {
        PORTAL: "id changed_at version desk_version pending_from closes_at",
        PERSON: "patron",
        ELSEWHERE: "closed_at last_message_at patron_status",
        DESK: "assignee assigned_at comes_back_to logged_as count_question reason at_desk_from "
        "waiting_since promised_at snoozed_until queued_at last_promise_at last_promise_since",
    },
    "conversations.Message": {PORTAL: "id writer_erased shown_from then back_to_writer client_token mail_id"},
    "conversations.ConversationWords": {PORTAL: "id conversation message name words"},
    "conversations.MessageRecommendation": {PORTAL: "id position"},
    "conversations.Event": {PORTAL: "id shown_from waiting_since", ELSEWHERE: "message"},
    "conversations.DeskEvent": {
        DESK: "id conversation message kind by to was branch until moved_from moved_to at"
    },
    "conversations.ConversationNote": {DESK: "id public_id conversation author body written_at client_token"},
    "conversations.NoteMention": {DESK: "id note person seen_at"},
    "conversations.Participation": {PORTAL: "id side", PERSON: "person", SHORT: "seen_at writing_at"},
    "conversations.Draft": {PORTAL: "id side client_token typed sequence", PERSON: "person"},
    "conversations.Attachment": {PORTAL: "id client_token", ELSEWHERE: "kind preview width height"},
    "conversations.ReadersForm": {},
    "conversations.ReplyTemplate": {LIBRARY: "id public_id branch language name body changed_at"},
    "conversations.BranchQueue": {LIBRARY: "branch version next_at"},
    "lists.SavedList": {PORTAL: "id", PERSON: "patron"},
    "lists.SavedItem": {PORTAL: "id public_id", SHORT: "removed_at"},
    "notifications.Notification": {
        PORTAL: "id public_id kind headers message_id removed due_at leased_until attempts last_error "
        "died_at ends_at about branch url decided_at",
        PERSON: "recipient",
        ELSEWHERE: "html",
    },
    "notifications.FailingAddress": {PERSON: "person", ELSEWHERE: "email", PORTAL: "failed_at off_at"},
    "notifications.NoticeChoice": {PORTAL: "id", PERSON: "person"},
    "notifications.NoticeTimes": {PORTAL: "id", PERSON: "person"},
    "notifications.StaffNotice": {DESK: "id kind about url branch mark created_at due_at written_at"},
    "notifications.DeskUse": {SHORT: "person used_at"},
    "notifications.RepeatedJob": {LIBRARY: "name due_at"},
    "notifications.Heartbeat": {LIBRARY: "worker beat_at"},
    "auth.Permission": {UNUSED: "id name content_type codename"},
    "auth.Group": {UNUSED: "id name"},
    "contenttypes.ContentType": {UNUSED: "id app_label model"},
}

# The export reads these columns with functions, which are in portal/privacy/export_tables/.
EXPORTED_BY_FUNCTION = {
    "accounts.Invitation": "invited_by",
    "accounts.AuditEvent": "by patron",
    "helpsessions.HelpSession": "staff",
    "recommendations.Recommendation": "recommended_by",
    "conversations.Conversation": "status",
    "conversations.Message": "side author",
    "conversations.Event": "side by",
    "conversations.Attachment": "side added_by file",
    "notifications.Notification": "text blanked",
    "notifications.NoticeChoice": "branch",
}

# A merge can combine two rows into one. These rules say what happens to each column. If a model isn't in
# MERGED, a merge moves or deletes its rows as a whole.
KEPT = "the row that stays keeps its own, and that of the other row is dropped"
IF_EMPTY = "the row that stays keeps its own, or takes that of the other row if it has none"
COMBINED = "the row that stays gets a value made of both"

MERGED = {
    "accounts.User": {
        KEPT: "id public_id password last_login is_active joined_at child_since",
        # A merge copies the three `remember` columns together, if the remaining record has no retention
        # choice.
        IF_EMPTY: "email name language remember remember_until remember_chosen_at",
        COMBINED: "has_shared_visits",
    },
    "conversations.Participation": {
        KEPT: "id conversation person side seen_at writing_at",
        COMBINED: "read_until",
    },
    "conversations.Draft": {
        KEPT: "id conversation person side kind client_token language saved_at",
        COMBINED: "body typed sequence",
    },
    "lists.SavedList": {KEPT: "id public_id patron name made_at"},
}

# What an erasure does with each column of a row that it doesn't delete. An erasure deletes all the person's
# rows of models that are not in ERASED.
STAYS = "it stays: it names nobody"
EMPTIED = "it is emptied"
CHANGED = "it is replaced, so that it leads to nobody"

ERASED = {
    "accounts.AuditEvent": {STAYS: "id at action subject_type where results", EMPTIED: "by patron subject"},
    "helpsessions.HelpSession": {
        STAYS: "id status branch service_point happened_on hour mode question_type topic read_level minutes "
        "people language quiet with_child found satisfaction",
        EMPTIED: "patron staff shared_with shared_at is_the_childs_alone question summary corrected_on",
        CHANGED: "public_id created_at handed_over_at kept_at answered_at answered_within patron_group "
        "forgotten_on",
    },
    "helpsessions.ClaimCode": {
        STAYS: "id hmac branch made_at expires_at",
        EMPTIED: "help_session made_by",
        CHANGED: "state",
    },
    "recommendations.Recommendation": {
        STAYS: "id public_id item starred branch topic question_type verdict why",
        EMPTIED: "reason comment patron recommended_by",
        CHANGED: "recommended_at decided_at",
    },
    "conversations.Conversation": {
        STAYS: "id public_id branch topic merged_into opened_at reason at_desk_from",
        EMPTIED: "help_session recommendation patron assignee assigned_at comes_back_to logged_as "
        "count_question subject waiting_since promised_at last_promise_at last_promise_since snoozed_until "
        "closes_at last_message_at pending_from patron_status",
        CHANGED: "status closed_at queued_at changed_at version desk_version",
    },
}


def columns_of(groups):
    """Return the names of all columns in these groups, as a list."""
    return [name for names in groups.values() for name in names.split()]
