"""Recognize the columns of the known layouts of desk logs, and the values in them."""

import re

from django.utils.translation import gettext_lazy

from portal.folding import fold
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

Mode = HelpSession.Mode

# {field: the usual names of its column in LibAnswers, Gimlet and other logs}. A field has only one column,
# but `number` can have several.
NAMES = {
    "day": """
        date, date time, timestamp, datetime, date and time, date of interaction, day, when, created, created
        at,
        entered, fecha, fecha y hora, marca temporal, datum, question date, asked on, start date, transaction
        date""",
    "other_day": "date if not today, other date, actual date, fecha si no es hoy",
    "time": "time, time of day, hour, start time, hora, uhrzeit, question time",
    "place": """
        location, branch, library, desk, service point, site, where, sucursal, biblioteca, lugar,
        ubicacion, punto de servicio, standort, desk location""",
    "mode": """
        communication, communication method, format, mode, mode of contact, interaction source, source,
        method,
        contact method, channel, how, medium, modalidad, via, how received, question format, interaction
        mode""",
    "question_type": """
        question type, type, type of question, interaction type, transaction type, category, kind of question,
        tipo, tipo de pregunta, tipo de consulta, fragetyp""",
    "read_level": "read, read scale, read level, difficulty read, difficulty, nivel read, read scale level",
    "duration": """
        duration, time spent, minutes, interaction staff time, staff time, length, length of interaction,
        duracion, minutos, dauer, how long, duration minutes, time spent minutes""",
    "people": """
        number of people if more than 1, number of people, people, group size, numero de personas,
        attendees""",
    "patron_group": """
        patron type, patron status, patron group, user type, user group, affiliation, patron, status, patron
        category,
        tipo de usuario, grupo de usuarios, audience, role""",
    "topic": "topic, subject, subject area, tema, materia, thema",
    "number": """
        ticket, ticket number, ticket id, chat, chat number, chat id, case number, transcript id, ticket no,
        chat no""",
}
GUESSES = {field: [fold(name) for name in names.split(",")] for field, names in NAMES.items()}
# {reason: the names of columns that are left out by default for this reason}
WORDS = gettext_lazy("it can contain what people asked or wrote")
PEOPLE = gettext_lazy("it can name people")
UNUSED = gettext_lazy("no meaning was chosen for it")
NEVER = {
    WORDS: """
        question, answer, internal note, note, notes, comment, comments, description, details, research need,
        outcome, tags, initial question, message, transcript, keywords, pregunta, respuesta, notas,
        comentarios,
        successful interaction, feedback, summary, title, resources used""",
    PEOPLE: """
        entered by, initials, staff, staff member, librarian, answered by, name, patron name, email, email
        address,
        phone, phone number, address, ip, ip address, user, username, operator, personal, iniciales, nombre,
        correo,
        institutional affiliation, patron affiliation, card number, barcode, owner, submitted by""",
}
NEVER_NAMES = {fold(name): reason for reason, names in NEVER.items() for name in names.split(",")}

# {name of a system: columns that occur together only in its exports}
LAYOUTS = {
    "LibAnswers": {
        fold(name) for name in ("entered by", "patron status", "communication", "ticket #", "chat #")
    },
    "Gimlet": {
        fold(name) for name in ("date/time", "patron type", "format", "difficulty (read)", "initials")
    },
}

# Choice lists: each value of the log in these fields is mapped to one of our values.
CHOICES = ("question_type", "mode", "place", "patron_group", "topic")
# Each value in these fields must be mapped, because a contact can't be counted without these fields.
NEEDED = ("question_type", "mode", "place")
# A column with more different values than this can't be a choice list, because its values could describe
# people.
MAX_VALUES = 30
# The library's own fields are choice lists too. In a mapping, such a field is called OWN followed by its
# primary key.
OWN = "own-"
# If a value of the log is mapped to LEFT_OUT, the rows with this value are left out.
LEFT_OUT = "-"
# If a value of the log is mapped to NOTHING, the rows with this value are counted, but without the field.
NOTHING = "0"


def is_own(field):
    """Return whether this is the name of one of the library's own fields."""
    return field.startswith(OWN) and field.removeprefix(OWN).isdecimal()


def is_choice(field):
    """Return whether the values of this field are chosen from a list."""
    return field in CHOICES or is_own(field)


MODE_WORDS = {
    Mode.CHAT: "chat, im, instant message, libchat, live chat, online chat, web chat, mensajeria",
    Mode.TEXT: "text, text message, sms, texting, mensaje de texto",
    Mode.VIDEO: "video, zoom, teams, video call, videoconference, video conference, videollamada, virtual",
    Mode.PHONE: "phone, telephone, phone call, call, telefono, llamada, telefon, by phone, voicemail",
    Mode.EMAIL: "email, e mail, mail electronico, correo, correo electronico, emailed",
    Mode.WEB_FORM: """
        web form, form, online form, website, web, contact form, ask a librarian, formulario, ticket,
        webform, online""",
    Mode.LETTER: "letter, mail, post, postal, postal mail, us mail, carta, brief, fax, correspondence",
    Mode.ROVING: "roving, away from the desk, in the stacks, stacks, floor, roaming, in the building",
    Mode.OUTREACH: "outreach, outside the library, off site, offsite, bookmobile, event, community, class",
    Mode.IN_PERSON: """
        in person, inperson, walk in, walk up, walkup, desk, face to face, f2f, at desk, at the desk, visit,
        en persona, presencial, personlich, on site, onsite, reference desk, drop in, walkin""",
}
TYPE_WORDS = {
    QuestionType.DIRECTIONAL: """
        directional, direction, directions, location, where is, policy, policies, policy procedure, policy
        and procedure, policies and procedures, hours, hours policy, directional policy, operational,
        facility, facilities, direccional, orientacion""",
    QuestionType.KNOWN_ITEM: """
        known item, known item search, find a book, holdings, item, do you have, find item, catalog search,
        obra conocida, locate item, specific item""",
    QuestionType.REFERENCE: """
        reference, ready reference, quick reference, ref, research, basic reference, extended reference, in
        depth reference, research help, referencia, auskunft, research assistance, research question,
        informational, information, genealogy, short answer reference, general reference""",
    QuestionType.READERS_ADVISORY: """
        readers advisory, reader s advisory, readers, ra, recommendation, book recommendation, recomendacion
        de lectura, orientacion de lectura""",
    QuestionType.TECHNOLOGY: """
        technology, technical, tech, tech help, technology help, tech support, computer, computer help,
        printing, equipment, technical support, device help, software, computers, ayuda tecnica, tecnologia,
        machine, technological, it""",
    QuestionType.REFERRAL: "referral, referred, refer, remision, derivacion",
    QuestionType.CONSULTATION: """
        consultation, research consultation, appointment, one on one, instruction, consulta, cita, in depth
        consultation, book a librarian""",
}


def _words(table):
    return {fold(name): target.value for target, names in table.items() for name in names.split(",")}


KNOWN_VALUES = {
    "mode": _words(MODE_WORDS) | {fold(value): value for value in Mode.values},
    "question_type": _words(TYPE_WORDS) | {fold(value): value for value in QuestionType.values},
}


def recognized(field, value):
    """Return our mode or question type for this value of the log, or "" if the value is unknown."""
    folded = fold(value)
    known = KNOWN_VALUES.get(field, {})
    if folded in known:
        return known[folded]
    # Many logs add words in brackets or after a dash, as in "In-person (desk)" and "Directional - printing".
    short = fold(re.split(r"\(|:| - |/", value)[0])
    return known.get(short, "")


READ = re.compile(r"(?:read|level|nivel|scale|#|\s|-)*([1-6])(?:\.0)?\s*(?:$|[-:–.)(].*)", re.IGNORECASE)
# Two levels, such as "2-3". READ says to choose the higher level when in doubt.
TWO_LEVELS = re.compile(r"(?:read|level|nivel|scale|#|\s)*([1-6])\s*[-–/]\s*([1-6])", re.IGNORECASE)
NO_LEVEL = {"0", "n/a", "na", "none", "-", "not applicable", "no", "unknown"}


def read_level(text):
    """Return the READ level from 1 to 6, None if the text says "none", or 0 if it can't be read."""
    if text.casefold() in NO_LEVEL:
        return None
    if both := TWO_LEVELS.fullmatch(text):
        return int(max(both.groups()))
    match = READ.match(text)
    return int(match[1]) if match else 0


NUMBER_OF_PEOPLE = re.compile(r"(\d{1,3})(?:\.0)?")


def people(text):
    """Return how many people took part in a contact, from 1 to 500. Return 1 if the text is not a number."""
    match = NUMBER_OF_PEOPLE.fullmatch(text)
    return min(max(int(match[1]), 1), 500) if match else 1


PERSONAL = re.compile(
    r"@|\d{3}[\s.-]?\d{3,4}|\b(?:mr|mrs|ms|dr|prof|sr|sra|srta)\b\.?\s"
    r"|\d+\s+\w+(?:\s\w+)?\s(?:st|street|ave|avenue|rd|road|lane|ln|blvd|drive|dr|calle|way)\b",
    re.IGNORECASE,
)
NAME = re.compile(r"[^\W\d_][\w’'.-]*,?(?:\s+[^\W\d_][\w’'.-]*){1,2}")
OTHER_DESK_WORDS = """
    library branch main desk floor first second room north south east west central service services
    point center centre general staff student students teacher teachers faculty adult adults teen teens
    child children kids community public undergraduate graduate alumni resident residents non visitor
    visitors other unknown help support question questions request requests quick long short simple
    complex assistance circulation account loan renewal card interlibrary internet search database print
    copy scan wifi study group meeting school local history special collections archive archives media
    program and of the for to with from by on at no not senior seniors business user users member
    members"""
# A value with one of these words is not a person's name. An example is "Research Help".
DESK_WORDS = frozenset(fold(" ".join([*MODE_WORDS.values(), *TYPE_WORDS.values(), OTHER_DESK_WORDS])).split())


def looks_personal(value, known_words=frozenset()):
    """Return whether the value looks like a person's name, an address or a phone number.

    `known_words` has the words of the library's own names, such as those of its branches, as `fold` returns
    them.
    """
    if PERSONAL.search(value):
        return True
    words = fold(value).split()
    return (
        bool(NAME.fullmatch(value))
        and value != value.lower()
        and not any(word in DESK_WORDS or word in known_words for word in words)
    )
