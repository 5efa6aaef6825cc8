"""Answers that are often given: branch ("": all), language, name, text."""

REPLY_TEMPLATES = [
    ("", "en", "How did it go?", "{patron}, how did it go with {item|what we found}?\n\nIf it was not what you needed, write a line here. The second attempt is often the good one.\n\n{me}"),
    ("", "en", "Still looking", "Hello, {patron}! I have not forgotten you: I am still looking, and will write by tomorrow evening with what I have found by then.\n\n{me}"),
    ("", "en", "On the hold shelf", "{item|It} is on the hold shelf under your name, for seven days. If you can't come within them, write here and we keep it longer.\n\n{me}"),
    ("", "en", "Legal advice: who may give it", "Hello, {patron}! What the law says we can show you; what you should do we may not. Free legal aid may: open until six, no appointment.\n\n{me}"),
    ("", "es", "¿Cómo le fue?", "{patron}, ¿cómo le fue con {item|lo que encontramos}?\n\nSi no era lo que buscaba, escriba una línea aquí y seguimos buscando.\n\n{me}"),
    ("", "es", "Apartado a su nombre", "{item|Lo que pidió} está apartado a su nombre durante siete días. Si no puede venir, escriba aquí.\n\n{me}"),
    ("central", "en", "Printing and scanning", "Printing is 10 cents a page, scanning is free: first floor, left of the stairs. The file is called scan, then the date.\n\n{me}"),
    ("central", "en", "Research by appointment", "Hello, {patron|and thank you for asking}! This deserves an hour rather than a line. Anneke has time on Tuesdays and Thursdays: 555-0104.\n\n{me}"),
    ("central", "es", "Imprimir y escanear", "Imprimir cuesta 10 centavos por página; escanear es gratis: primer piso, a la izquierda de la escalera.\n\n{me}"),
    ("harbor", "en", "Closed on Mondays", "We are closed on Sundays and Mondays; from Tuesday at ten somebody is at the desk. Central is open meanwhile.\n\n{me}"),
    ("harbor", "es", "Hora del cuento", "La hora del cuento es los sábados a las diez, en español y en inglés. No hace falta inscribirse.\n\n{me}"),
    ("harbor", "es", "Clases para el examen", "Hola, {patron}: la clase de los martes es gratis. Si está llena, la siguiente empieza el mes que viene.\n\n{me}"),
]  # fmt: skip
