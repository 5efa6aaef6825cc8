"""Words that questions often contain, and that say nothing about their topic.

Only words of four or more letters are here, because asked_before.py ignores shorter ones. They are folded
(portal/folding.py). Nobody knows in which language a question is, so all lists are used together. Words such
as "read" or "book" are missing, because a topic can be about them.
"""

ENGLISH = """
    about after again also another any anyone anything because been before being best can cant come could did
    didnt does doesnt doing dont each else every find first for from get gets getting give going good have
    having hello help helps here how ive into its just keep know last let like likes look looking looks made
    make makes many maybe more most much must need needs new next not now often only other our out over people
    person please question really same she should show some someone something start still such take tell than
    thank thanks that the their them then there these they thing things think this those time today too try
    trying use used using very want wants was way well were what whats when where whether which while who
    whose why will with without wont would you your yours
"""
SPANISH = """
    ademas ahora alguien algun alguna algunas alguno algunos algo antes aqui ayuda ayudar bien buen buena
    buenas bueno buenos buscar busco cada como con cosa cosas cual cuales cuando cuanto cuantos debe debo del
    desde despues dias donde durante ella ellas ellos empezar encontrar encuentro entre era eres esta estaba
    estan estar estas este esto estos estoy favor forma fue gracias gusta gustaria haber hace hacer hacia hago
    hasta hola igual luego manera mas mejor menos mismo mucha muchas mucho muchos nada necesita necesito nunca
    otra otras otro otros para pero persona personas poco podria podrian poder porque pregunta primera primero
    puede pueden puedo pues que quien quiere quiero quisiera saber sea ser siempre sobre solo son soy tambien
    tanto tener tengo tiene tienen toda todas todavia todo todos tras unas unos usar usted ustedes vez voy
"""
FILLER_WORDS = frozenset((ENGLISH + SPANISH).split())
