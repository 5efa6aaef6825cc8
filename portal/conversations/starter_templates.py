"""Reply templates that a new library can start with. Coordinators choose which ones to add, and edit them."""

from typing import NamedTuple


class Starter(NamedTuple):
    """One starter template. The fields are as in ReplyTemplate."""

    language: str
    name: str
    body: str


STARTERS = [
    Starter(
        "en",
        "Tell us more",
        "Hello, {patron}!\n\n"
        "Could you tell us a little more? What is it for, and when do you need it? "
        "Then we can find something that fits.\n\n{me}",
    ),
    Starter(
        "en",
        "Still looking",
        "Hello, {patron}!\n\nWe are still looking into your question. We'll write here when we know more."
        "\n\n{me}",
    ),
    Starter(
        "en",
        "Sorry it didn't help",
        "Hello, {patron}!\n\n"
        "We're sorry that {item} didn't help. What was missing? We'll look for something better.\n\n{me}",
    ),
    Starter(
        "en",
        "Checked out",
        "Hello, {patron}!\n\n{item|The title} is checked out. Would you like us to put it on hold for you? "
        "Answer here, and we'll do it.\n\n{me}",
    ),
    Starter(
        "en",
        "Ready to pick up",
        "Hello, {patron}!\n\n{item|The title} is ready for you at the desk. Please bring your library card."
        "\n\n{me}",
    ),
    Starter(
        "en",
        "Come to the desk",
        "Hello, {patron}!\n\nThis is easier to do together. Please come to the desk while we're open. "
        "You don't need an appointment.\n\n{me}",
    ),
    Starter(
        "en",
        "No legal or medical advice",
        "Hello, {patron}!\n\nWe can't give legal or medical advice. We can help you find good information, "
        "and people who may advise you.\n\n{me}",
    ),
    Starter(
        "en",
        "Glad it helped",
        "Hello, {patron}!\n\nWe're glad that it helped. Write here if another question comes up.\n\n{me}",
    ),
    Starter(
        "es",
        "Necesitamos más detalles",
        "Hola, {patron}:\n\n"
        "¿Puede contarnos un poco más? ¿Para qué lo necesita y para cuándo? "
        "Así podremos encontrar algo adecuado.\n\n{me}",
    ),
    Starter(
        "es",
        "Seguimos buscando",
        "Hola, {patron}:\n\nSeguimos buscando la respuesta. Le escribiremos aquí cuando sepamos más.\n\n{me}",
    ),
    Starter(
        "es",
        "Lamentamos que no le sirviera",
        "Hola, {patron}:\n\n"
        "Lamentamos que {item} no le haya servido. ¿Qué le faltó? Buscaremos algo mejor.\n\n{me}",
    ),
    Starter(
        "es",
        "Está prestado",
        "Hola, {patron}:\n\n{item|El título} está prestado. ¿Quiere que se lo reservemos? "
        "Responda aquí y lo haremos.\n\n{me}",
    ),
    Starter(
        "es",
        "Listo para recoger",
        "Hola, {patron}:\n\n{item|El título} está listo en el mostrador. Por favor, traiga su tarjeta."
        "\n\n{me}",
    ),
    Starter(
        "es",
        "Venga al mostrador",
        "Hola, {patron}:\n\nEsto es más fácil en persona. Venga al mostrador cuando esté abierto. "
        "No necesita cita.\n\n{me}",
    ),
    Starter(
        "es",
        "Sin consejos legales ni médicos",
        "Hola, {patron}:\n\nNo podemos dar consejos legales ni médicos. Podemos ayudarle a encontrar buena "
        "información y personas que le aconsejen.\n\n{me}",
    ),
    Starter(
        "es",
        "Nos alegra que le sirviera",
        "Hola, {patron}:\n\nNos alegra que le haya servido. Escriba aquí si tiene otra pregunta.\n\n{me}",
    ),
]
