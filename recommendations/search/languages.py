"""The languages by which a search can be narrowed. Catalogs use several codes for one language."""

from django.utils.translation import gettext_lazy as _

# {code in the search index: (name of the language, its codes in catalogs)}
LANGUAGES = {
    "ar": (_("Arabic"), "ara ar"),
    "de": (_("German"), "ger deu de german"),
    "en": (_("English"), "eng en english"),
    "es": (_("Spanish"), "spa es spanish espanol"),
    "fa": (_("Persian"), "per fas fa"),
    "fr": (_("French"), "fre fra fr french"),
    "he": (_("Hebrew"), "heb he"),
    "hi": (_("Hindi"), "hin hi"),
    "ht": (_("Haitian Creole"), "hat ht"),
    "it": (_("Italian"), "ita it italian"),
    "ja": (_("Japanese"), "jpn ja"),
    "ko": (_("Korean"), "kor ko"),
    "pl": (_("Polish"), "pol pl"),
    "pt": (_("Portuguese"), "por pt"),
    "ru": (_("Russian"), "rus ru russian"),
    "so": (_("Somali"), "som so"),
    "tl": (_("Tagalog"), "tgl fil tl"),
    "uk": (_("Ukrainian"), "ukr uk"),
    "vi": (_("Vietnamese"), "vie vi"),
    "zh": (_("Chinese"), "chi zho zh chinese"),
}
CODES = {other: code for code, (_name, others) in LANGUAGES.items() for other in others.split()}
