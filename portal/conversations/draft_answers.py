# ruff: noqa: S608 (the SQL contains only names of tables, and no user input)
"""SQL to find a staff member's unsent answers, and drafts in conversations that they can no longer open.

A draft answer has a text or at least one recommended item. Each statement filters by the primary key of the
staff member. Drafts have an index on the person, so no statement reads other people's drafts.
"""

from django.db.models import Exists, OuterRef

from .models import Attachment, Conversation, Draft, Side

DRAFTS = f"{Draft._meta.db_table} AS draft"
IS_ANSWER = (
    "draft.person_id = %s AND draft.side = 'staff' AND draft.kind = 'reply' AND draft.discarded_at IS NULL "
    "AND (draft.body <> '' OR CAST(draft.typed AS text) LIKE '%%\"items-0-%%')"
)
CONVERSATIONS_WITH_DRAFT = f"SELECT draft.conversation_id FROM {DRAFTS} WHERE {IS_ANSWER}"
# SQL for a number that changes when the person begins, sends or discards a draft answer.
SUM_OF_DRAFTS = f"SELECT COALESCE(SUM(draft.id), 0) FROM {DRAFTS} WHERE {IS_ANSWER}"
# SQL for a column that says whether the person has a draft answer in a conversation.
HAS_DRAFT = (
    f"EXISTS ({CONVERSATIONS_WITH_DRAFT} AND draft.conversation_id = {Conversation._meta.db_table}.id)"
)
# SQL for the condition that a draft has text or, if it is an answer, at least one item.
IS_BEGUN = "(draft.body <> '' OR (draft.kind = 'reply' AND CAST(draft.typed AS text) LIKE '%%\"items-0-%%'))"


def count_out_of_reach(branches, people, person):
    """Return (SQL, parameters) to count the drafts that `drafts_out_of_reach` returns.

    `branches` and `people` are as in desk_lists.Desk. The person can open conversations of these branches,
    and conversations that are assigned to these people.
    """
    places = [
        f"conversation.{column} IN ({', '.join(['%s'] * len(keys))})"
        for column, keys in (("branch_id", branches), ("assignee_id", people))
        if keys
    ]
    within_reach = " OR ".join(places) or "1 = 0"
    return (
        f"SELECT COUNT(*) FROM {DRAFTS} JOIN {Conversation._meta.db_table} AS conversation "
        f"ON conversation.id = draft.conversation_id WHERE draft.person_id = %s AND draft.side = 'staff' "
        f"AND draft.discarded_at IS NULL AND {IS_BEGUN} AND ({within_reach}) IS NOT TRUE",
        [person, *branches, *people],
    )


def drafts_out_of_reach(person):
    """Return the staff member's drafts in conversations that they can no longer open, newest first.

    For example, a colleague has transferred the conversation, or the person's branch no longer covers for the
    branch of the conversation.
    """
    within_reach = Conversation.objects.at_desk_of(person).filter(pk=OuterRef("conversation"))
    drafts = Draft.objects.filter(~Exists(within_reach), person=person, side=Side.STAFF)
    rows = drafts.select_related("conversation__branch").order_by("-saved_at", "-pk")
    return [draft for draft in rows if draft.conversation is not None and draft.is_begun]


def writers_who_lose_access(conversation, branch):
    """Return the staff members who can't open the conversation anymore after a transfer to `branch`.

    Only staff members with unsent text or files in the conversation are returned.
    """
    drafts = conversation.drafts.filter(side=Side.STAFF, person__is_active=True).select_related("person")
    writers = {draft.person for draft in drafts if draft.is_begun}
    files = Attachment.objects.filter(conversation=conversation, side=Side.STAFF, message=None)
    writers |= {file.added_by for file in files.select_related("added_by") if file.added_by}
    lost = [person for person in writers if branch.pk not in person.queue_branch_ids]
    return sorted(lost, key=lambda person: (person.name, person.pk))
