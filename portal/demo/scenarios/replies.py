"""The demo's reply templates. Each entry is (branch, language, name, text). "" means all branches."""

REPLY_TEMPLATES = [
    ("", "en", "How did it go?", "{patron}, how did it go with {item|what we found}?\n\nIf it was not what you needed, write a line here. The second attempt is often the good one.\n\n{me}"),
    ("", "en", "Still looking", "Hello, {patron}! I have not forgotten you: I am still looking, and will write by tomorrow evening with what I have found by then.\n\n{me}"),
    ("", "en", "On the hold shelf", "{item|It} is on the hold shelf under your name, for seven days. If you can't come within them, write here and we'll keep it longer.\n\n{me}"),
    ("", "en", "Legal advice", "Hello, {patron}! We can show you what the law says, but we can't tell you what to do. Free legal aid can: open until six, no appointment.\n\n{me}"),
    ("", "es", "¿Cómo le fue?", "{patron}, ¿cómo le fue con {item|lo que encontramos}?\n\nSi no era lo que buscaba, escriba una línea aquí y seguimos buscando.\n\n{me}"),
    ("", "es", "Apartado a su nombre", "{item|Lo que pidió} está apartado a su nombre durante siete días. Si no puede venir, escriba aquí.\n\n{me}"),
    ("central", "en", "Printing and scanning", "Printing is 10 cents a page, scanning is free: first floor, left of the stairs. The file is called scan, then the date.\n\n{me}"),
    ("central", "en", "Research by appointment", "Hello, {patron|and thank you for asking}! This deserves an hour rather than a line. Anneke has time on Tuesdays and Thursdays: 555-0104.\n\n{me}"),
    ("central", "es", "Imprimir y escanear", "Imprimir cuesta 10 centavos por página; escanear es gratis: primer piso, a la izquierda de la escalera.\n\n{me}"),
    ("harbor", "en", "Closed on Mondays", "We are closed on Sundays and Mondays; the desk opens again on Tuesday at ten. Central is open in the meantime.\n\n{me}"),
    ("harbor", "es", "Hora del cuento", "La hora del cuento es los sábados a las diez, en español y en inglés. No hace falta inscribirse.\n\n{me}"),
    ("harbor", "es", "Clases para el examen", "Hola, {patron}: la clase de los martes es gratis. Si está llena, la siguiente empieza el mes que viene.\n\n{me}"),
]  # fmt: skip
