# ruff: noqa: S608 (the SQL contains only names of tables, and no user input)
"""SQL for the draft answers of a staff member: answers that are begun and not sent yet.

A draft answer has a text, or at least one recommended item. The only parameter of each statement is the
primary key of the staff member. Drafts have an index on the person, so no statement reads other drafts.
"""

from .models import Conversation, Draft

DRAFTS = f"{Draft._meta.db_table} AS draft"
IS_ANSWER = (
    "draft.person_id = %s AND draft.side = 'staff' AND draft.kind = 'reply' "
    "AND (draft.body <> '' OR CAST(draft.typed AS text) LIKE '%%\"items-0-%%')"
)
CONVERSATIONS_WITH_DRAFT = f"SELECT draft.conversation_id FROM {DRAFTS} WHERE {IS_ANSWER}"
# The sum changes when the person begins, sends or discards an answer.
SUM_OF_DRAFTS = f"SELECT COALESCE(SUM(draft.id), 0) FROM {DRAFTS} WHERE {IS_ANSWER}"
# A column of a query of conversations.
HAS_DRAFT = (
    f"EXISTS ({CONVERSATIONS_WITH_DRAFT} AND draft.conversation_id = {Conversation._meta.db_table}.id)"
)
