"""List what each role may see, for the table in docs/who-sees-what.md.

A role that is missing from a group of data sees nothing of that group. The tests in tests/architecture check
that the pages agree with this list.
"""

from enum import Enum

from .policy_lines.line import Group


class Role(Enum):
    """A kind of person who may see data. The value is the heading of a column in docs/who-sees-what.md."""

    PERSON = "the person it is about"
    CODE = "a viewer by code"
    STAFF = "staff of the branch"
    ELSEWHERE = "staff of other branches"
    COORDINATOR = "coordinators"
    SERVER = "people who run the server"


SEEN_BY = {
    Group.VISITS: {
        Role.PERSON: "yes, once they have added the visit to their account; so can the adult who shares a "
        "child's visit",
        Role.CODE: "yes, until the visit is added to an account or the code expires",
        Role.STAFF: "yes; each opening is recorded for the patron",
        Role.ELSEWHERE: "if they recorded the visit; if their branch covers for an unattended branch that "
        "has a conversation about the visit; for a day, if the patron shows them the code",
        Role.COORDINATOR: "the same as staff of their branches",
        Role.SERVER: "yes",
    },
    Group.MESSAGES: {
        Role.PERSON: "yes; so can the adult who shares a child's visit, if the messages are about the visit; "
        "only the sender can see an original email",
        Role.CODE: "messages about that visit, until it is added to an account or the code expires",
        Role.STAFF: "yes, if they are sent; each opening is recorded for the patron; the phone number for a "
        "call only if they took the conversation, which is recorded too",
        Role.ELSEWHERE: "conversations assigned to them or to a colleague they cover for; conversations of "
        "an unattended branch that their branch covers; others for a day, if the patron shows them the code",
        Role.COORDINATOR: "the same as staff of their branches; also emails that couldn't be matched to a "
        "conversation, which the staff they name can see too",
        Role.SERVER: "yes",
    },
    Group.LISTS: {
        Role.PERSON: "yes; anyone with a link to a list sees its titles, but sees the notes and a name only "
        "if the person chose this",
        Role.SERVER: "yes; the addresses of links are encrypted with the server's key",
    },
    Group.PERSON: {
        Role.PERSON: "yes",
        Role.STAFF: "the name and a masked address; on the record form, also the language, after typing a "
        "whole card number or address; if several people have the same name, also the end of the card "
        "number and the month they joined; in a record they open, which is recorded for the patron, also the "
        "address, the language, and whether the library may ask how visits turned out",
        Role.ELSEWHERE: "the same, after finding the person by a whole address or card number, or after "
        "giving a reason",
        Role.COORDINATOR: "the same as staff",
        Role.SERVER: "yes",
    },
    Group.DEVICES: {
        Role.PERSON: "yes",
        Role.COORDINATOR: "in a record they open, the names of passkeys and when each was added and last "
        "used, to remove a lost one",
        Role.SERVER: "yes",
    },
    Group.EMAILS: {
        Role.PERSON: "in their own mailbox",
        Role.COORDINATOR: "for emails that didn't arrive, to people of their branches or to unknown people: "
        "the kind, the reason and a masked address; each opening is recorded",
        Role.SERVER: "yes; the text is deleted after sending if it held a code or a link",
    },
    Group.DESK: {
        Role.PERSON: "who opened their data and when, but nothing that staff wrote",
        Role.STAFF: "notes and events of what they may open",
        Role.ELSEWHERE: "notes and events of what they may open",
        Role.COORDINATOR: "also the reasons for opening other records, the legal holds, and what a held "
        "visit said before a correction",
        Role.SERVER: "yes",
    },
    Group.STAFF: {
        Role.PERSON: "yes",
        Role.STAFF: "names, days away",
        Role.ELSEWHERE: "names, days away",
        Role.COORDINATOR: "for the branches they coordinate: addresses, roles, invitations and links to "
        "items; for all branches: names and days away; never a secret of a second factor",
        Role.SERVER: "yes; secrets of second factors are encrypted with the server's key",
    },
}
