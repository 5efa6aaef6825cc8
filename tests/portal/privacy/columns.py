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
QUIET = "it is always False, because an export never contains a quiet visit"
ON_ME = "the page Me shows it for as long as it is kept"
FORGOTTEN = "it is set only after the visit has been forgotten"
SECRET = "it is a secret, or would help to break in"
STATISTICS = "the library counts with it"
OTHERS = "it is about another person"
DESK = "it is the desk's work, which only the desk may see"
LIBRARY = "it is about the library, not about a person"
UNUSED = "the portal doesn't use it"
SHORT = "it is kept for a day at most"

# {model: {reason for leaving columns out: names of the columns}}
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
    "accounts.RefusedPost": {
        SHORT: "id public_id person browser at_once path fields refused_at discarded_at"
    },
    "accounts.Passkey": {
        PORTAL: "id public_id sign_count",
        PERSON: "person",
        ELSEWHERE: "added_at",
        SECRET: "handle credential_id credential",
    },
    "accounts.KeptDevice": {PORTAL: "id public_id"},
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
        LIBRARY: "id name time_zone language accent_color logo catalog_link catalog_title_link proxy_prefix "
        "closes_after_days "
        "released_after_days desk_locks_after_minutes default_branch children childrens_groups "
        "first_week_hidden_at backed_up_at email_tried_at check_ins check_ins_of_children "
        "children_may_share_lists key_mark year_starts_in staff_figures"
    },
    "accounts.Branch": {
        LIBRARY: "id name slug address phone promise_hours send_button back_to_writer call_tries covered_by "
        "last_seen_on unattended_from closed_at check_in_tone check_ins_unreviewed"
    },
    "accounts.BranchCode": {LIBRARY: "id public_id code branch met met_at"},
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
    "portal.Removal": {PORTAL: "mark removed_at"},
    "portal.SentForm": {PORTAL: "mark arrived_at"},
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
        PORTAL: "id status tally_kind is_the_childs_alone",
        PERSON: "patron",
        OTHERS: "shared_with",
        STATISTICS: "read_level minutes people questions",
        QUIET: "quiet",
        ELSEWHERE: "created_at is_group_from_card",
        FORGOTTEN: "forgotten_on answered_within is_counted",
    },
    "checkins.CheckIn": {
        PORTAL: "id public_id created_at tone message_id",
        PERSON: "asked",
        SECRET: "token_hmac",
        DESK: "reason reviewed_at reviewed_by",
    },
    "checkins.CheckInRule": {LIBRARY: "id topic question_type since days"},
    "helpsessions.SessionWord": {PORTAL: "id help_session word"},
    "helpsessions.SessionRecommendation": {PORTAL: "id position is_dismissed"},
    "helpsessions.SessionNote": {DESK: "help_session body author written_at"},
    "helpsessions.UnfinishedForm": {DESK: "help_session fields saved_at"},
    "helpsessions.ClaimCode": {SECRET: "id hmac state help_session branch made_by made_at expires_at"},
    "helpsessions.AccountCode": {SECRET: "person hmac made_by expires_at"},
    "recommendations.Recommendation": {
        PORTAL: "id starred visit_number",
        PERSON: "patron",
        ELSEWHERE: "answered_at",
        STATISTICS: "never_counted in_item_count in_kit_count in_got_count",
        DESK: "from_kit",
    },
    "kits.Kit": {DESK: "id public_id branch owner topic client_token version changed_at retired_at"},
    "kits.KitWords": {DESK: "id kit language name description"},
    "kits.KitItem": {DESK: "id kit item position starred removed_at"},
    "kits.KitReason": {DESK: "id kit_item language text"},
    "kits.ItemCount": {STATISTICS: "id item topic question_type helped visits lower_bound latest_on"},
    "kits.KitCount": {STATISTICS: "kit helped visits"},
    "kits.GotCount": {STATISTICS: "item missed visits is_hard_to_get"},
    "helpsessions.PatronGroup": {LIBRARY: "id name card_groups is_other retired_at"},
    "helpsessions.TallyKind": {LIBRARY: "id service_point name key retired_at"},
    "helpsessions.OwnField": {LIBRARY: "id name retired_at"},
    "helpsessions.OwnValue": {LIBRARY: "id field name retired_at"},
    "helpsessions.ServicePoint": {LIBRARY: "id branch name retired_at"},
    "counts.DayCount": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "happened_on hour service_point mode question_type read_level is_tally tally_kind "
        "questions"
    },
    "counts.PointTotal": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "month service_point is_tally tally_kind"
    },
    "counts.ModeTotal": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "month mode"
    },
    "counts.TypeTotal": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "month is_tally question_type"
    },
    "counts.LevelTotal": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "month is_tally read_level"
    },
    "counts.HourTotal": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import "
        "month hour weekday"
    },
    "counts.TopicCount": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import month topic"
    },
    "counts.GroupCount": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import month patron_group"
    },
    "counts.LanguageCount": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import month language"
    },
    "counts.OwnCount": {
        STATISTICS: "id branch is_final contacts minutes estimated_minutes handed_over check_ins log_import month own_value"
    },
    "counts.CheckInAnswers": {STATISTICS: "id month branch answered"},
    "counts.OutcomePeriod": {STATISTICS: "id kind first_day last_day counted_on is_late"},
    "counts.Outcome": {
        STATISTICS: "id period branch question breakdown topic question_type item is_shown numbers visits"
    },
    "counts.AnswerCount": {STATISTICS: "id month branch up_to is_late answers"},
    "counts.MonthEmail": {STATISTICS: "id month written_at numbers"},
    "counts.CountedAnswer": {STATISTICS: "conversation"},
    "counts.CountsLock": {LIBRARY: "id"},
    "api.ApiToken": {
        LIBRARY: "id public_id name scopes may_send_words made_at last_used_on revoked_at",
        SECRET: "token_hash",
    },
    "notifications.WebhookEvent": {LIBRARY: "id public_id content due_at leased_until attempts"},
    "api.CreatedSession": {SECRET: "id token key body help_session created_at"},
    "surveys.RuleSet": {
        LIBRARY: "id public_id survey starts_on method weeks multiplier counts_questions tallies_count_as"
    },
    "surveys.CountingRule": {LIBRARY: "id rule_set question_type mode counts_as"},
    "surveys.TallyRule": {LIBRARY: "id rule_set tally_kind counts_as"},
    "surveys.SampledWeek": {LIBRARY: "id starts_on"},
    "counts.LogImport": {
        LIBRARY: "id public_id started_at ended_at file_key added replaced first_day last_day file_name "
        "undo_asked_at answers"
    },
    "imports.ImportedRow": {
        STATISTICS: "id log_import help_session identity content minutes_from minutes_to sealed replaced_in"
    },
    "imports.LogUpload": {
        SHORT: "id public_id person name size language file notes failed uploaded_at kept_until task leased_until rows done "
        "problem checked_at ended_at result log_import"
    },
    "imports.SavedMapping": {LIBRARY: "id name mapping saved_at"},
    "recommendations.Topic": {LIBRARY: "id name retired_at never_by_message"},
    "recommendations.TopicName": {LIBRARY: "id topic language name"},
    "recommendations.Item": {
        LIBRARY: "id public_id kind title creators original_title original_creators original_lang publisher "
        "year isbn doi url series summary search_words subjects language is_fiction source source_key added_at retired_at "
        "has_cover starts_on ends_on phone form extent audience audience_note"
    },
    "recommendations.Cover": {LIBRARY: "isbn found asked_on"},
    "imports.Harvest": {
        LIBRARY: "id public_id server prefix sets source is_full since server_time state problem started_at run_at ended_at "
        "set_number token listed list_size read added changed withdrawn returned faults first_faults "
        "found_missing"
    },
    "imports.HarvestedRecord": {LIBRARY: "id source identifier item is_deleted seen_in"},
    "imports.CatalogLock": {LIBRARY: "id token work holder since alive_at"},
    "recommendations.Holding": {LIBRARY: "id item branch call_number location not_for_loan"},
    "recommendations.ItemMatch": {LIBRARY: "id item record recommendations saved_items others at undone_at"},
    "recommendations.SearchEntry": {LIBRARY: "item title names rest"},
    "recommendations.SearchWord": {LIBRARY: "word backward items titles imported imported_titles"},
    "conversations.Conversation": {
        PORTAL: "id changed_at version desk_version pending_from closes_at",
        PERSON: "patron",
        ELSEWHERE: "closed_at last_message_at patron_status",
        DESK: "assignee assigned_at comes_back_to logged_as count_question reason at_desk_from "
        "waiting_since promised_at call_since snoozed_until queued_at last_promise_at last_promise_since",
    },
    "conversations.Message": {PORTAL: "id writer_erased shown_from then back_to_writer client_token mail_id"},
    "conversations.ConversationWords": {PORTAL: "id conversation message name words"},
    "conversations.MessageRecommendation": {PORTAL: "id position"},
    "conversations.Event": {
        PORTAL: "id shown_from waiting_since call_since leaves_queue",
        ELSEWHERE: "message",
    },
    "conversations.CallBack": {PORTAL: "id client_token", PERSON: "by"},
    "conversations.DeskEvent": {
        DESK: "id conversation message kind by to was branch until moved_from moved_to at"
    },
    "conversations.ConversationNote": {DESK: "id public_id conversation author body written_at client_token"},
    "conversations.NoteMention": {DESK: "id note person seen_at"},
    "conversations.Participation": {PORTAL: "id side", PERSON: "person", SHORT: "seen_at writing_at"},
    "conversations.Draft": {
        PORTAL: "id side client_token typed sequence",
        PERSON: "person",
        SHORT: "discarded_at",
    },
    "conversations.Attachment": {PORTAL: "id client_token", ELSEWHERE: "kind preview width height"},
    "conversations.ReadersForm": {},
    "conversations.ReplyTemplate": {LIBRARY: "id public_id branch language name body changed_at"},
    "conversations.BranchQueue": {LIBRARY: "branch version next_at"},
    "incoming.IncomingEmail": {
        PORTAL: "id message_id_hmac",
        PERSON: "person",
        DESK: "reason conversation added_by added_at",
        ELSEWHERE: "text",
    },
    "incoming.EmailReader": {DESK: "person named_by named_at"},
    "incoming.DroppedEmails": {LIBRARY: "id day kind count"},
    "lists.SavedList": {PORTAL: "id", PERSON: "patron"},
    "lists.SavedItem": {PORTAL: "id public_id changed_at from_link"},
    "lists.ListLink": {PORTAL: "id public_id client_token", SECRET: "token_hmac token_sealed"},
    "lists.StaffLink": {
        DESK: "id public_id client_token made_by branch made_at ends_at ended_at",
        SECRET: "token_hmac token_sealed",
    },
    "lists.StaffLinkItem": {DESK: "id link item position"},
    "notifications.Notification": {
        PORTAL: "id public_id kind headers message_id removed due_at leased_until attempts last_error "
        "died_at ends_at about branch url replaces decided_at browsers_about",
        PERSON: "recipient",
        ELSEWHERE: "html",
    },
    "notifications.PushSubscription": {
        PORTAL: "id public_id about ends_at",
        PERSON: "person sign_in",
        SECRET: "endpoint endpoint_hash p256dh auth key_id",
    },
    "notifications.PushMessage": {
        PORTAL: "id notice subscription created_at due_at ends_at leased_until attempts",
        ELSEWHERE: "payload",
    },
    "notifications.FailingAddress": {PERSON: "person"},
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

# {model: columns that the export reads with functions, which are in portal/privacy/export_tables/}
EXPORTED_BY_FUNCTION = {
    "accounts.Invitation": "invited_by",
    "accounts.AuditEvent": "by patron",
    "helpsessions.HelpSession": "staff patron_group own_values",
    "checkins.CheckIn": "asked_by words",
    "recommendations.Recommendation": "recommended_by",
    "conversations.Conversation": "status",
    "conversations.Message": "side author left_out",
    "conversations.Event": "conversation side by",
    "conversations.Attachment": "side added_by file",
    "incoming.IncomingEmail": "file",
    "notifications.Notification": "text blanked",
    "lists.SavedItem": "item title creators",
    "notifications.NoticeChoice": "branch",
}

# A merge can combine two rows into one. These rules say what happens to each column. If a model isn't in
# MERGED, a merge moves or deletes its rows as a whole.
KEPT = "the remaining row keeps its value, and the value of the other row is dropped"
IF_EMPTY = "the remaining row keeps its value, or takes the value of the other row if it has none"
COMBINED = "the remaining row gets a value that is made of both values"

MERGED = {
    "accounts.User": {
        KEPT: "id public_id password last_login is_active joined_at child_since",
        # A merge copies the three `remember` columns together, if the remaining record has no retention
        # choice.
        IF_EMPTY: "email name language remember remember_until remember_chosen_at",
        COMBINED: "has_shared_visits check_ins check_in_titles check_in_sent_at died_at",
    },
    "conversations.Participation": {
        KEPT: "id conversation person side seen_at writing_at",
        COMBINED: "read_until",
    },
    "conversations.Draft": {
        KEPT: "id conversation person side kind client_token language saved_at discarded_at",
        COMBINED: "body typed sequence",
    },
    "lists.SavedList": {KEPT: "id public_id patron name made_at used_at removed_at"},
    "lists.SavedItem": {
        KEPT: "id public_id saved_list item title creators recommendation position saved_at removed_at changed_at "
        "from_link",
        IF_EMPTY: "reading",
        COMBINED: "note",
    },
}

# What an erasure does with each column of a row that it doesn't delete. An erasure deletes all the person's
# rows of models that are not in ERASED.
STAYS = "its value stays, because it names nobody"
EMPTIED = "its value is deleted"
CHANGED = "its value is replaced by a value that doesn't lead to the person"

ERASED = {
    "accounts.AuditEvent": {STAYS: "id at action subject_type where results", EMPTIED: "by patron subject"},
    "helpsessions.HelpSession": {
        STAYS: "id status branch happened_on mode question_type topic read_level minutes people "
        "questions quiet with_child found satisfaction would_return answered_by_link",
        EMPTIED: "patron staff shared_with shared_at is_the_childs_alone question summary corrected_on "
        "check_ins found_at satisfaction_at would_return_at hour service_point tally_kind patron_group "
        "is_group_from_card language own_values",
        CHANGED: "public_id created_at handed_over_at kept_at answered_at answered_within is_counted "
        "forgotten_on",
    },
    "helpsessions.ClaimCode": {
        STAYS: "id hmac branch made_at expires_at",
        EMPTIED: "help_session made_by",
        CHANGED: "state",
    },
    "recommendations.Recommendation": {
        STAYS: "id public_id item starred branch topic question_type verdict why by_link never_counted "
        "from_kit in_item_count in_kit_count in_got_count",
        EMPTIED: "reason comment patron recommended_by answered_at got_at",
        CHANGED: "recommended_at decided_at visit_number",
    },
    "conversations.Conversation": {
        STAYS: "id public_id branch topic merged_into opened_at reason at_desk_from is_about_outcome "
        "wants_no_answer",
        EMPTIED: "help_session recommendation patron assignee assigned_at comes_back_to logged_as "
        "count_question subject waiting_since promised_at last_promise_at last_promise_since snoozed_until "
        "closes_at call_since last_message_at pending_from patron_status",
        CHANGED: "status closed_at queued_at changed_at version desk_version",
    },
}


def columns_of(groups):
    """Return the names of all columns in these groups, as a list."""
    return [name for names in groups.values() for name in names.split()]
