# ruff: noqa: S608 (the SQL contains only names of tables, and no user input)
"""SQL for the answers that a staff member has begun and not sent yet.

An unfinished answer is a draft with a text, or with at least one recommended item. The only parameter of each
statement is the primary key of the staff member. Drafts have an index on the person, and a person has few
drafts, so no statement reads the drafts of other people.
"""

from .models import Conversation, Draft

DRAFTS = f"{Draft._meta.db_table} AS draft"
UNFINISHED = (
    "draft.person_id = %s AND draft.side = 'staff' AND draft.kind = 'reply' "
    "AND (draft.body <> '' OR CAST(draft.typed AS text) LIKE '%%\"items-0-%%')"
)
CONVERSATIONS_WITH_ONE = f"SELECT draft.conversation_id FROM {DRAFTS} WHERE {UNFINISHED}"
# The sum changes when the person begins or ends an answer.
DRAFTS_SUM = f"SELECT COALESCE(SUM(draft.id), 0) FROM {DRAFTS} WHERE {UNFINISHED}"
# A column of a query of conversations.
HAS_ONE = f"EXISTS ({CONVERSATIONS_WITH_ONE} AND draft.conversation_id = {Conversation._meta.db_table}.id)"
