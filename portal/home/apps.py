from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class HomeConfig(AppConfig):
    name = "portal.home"

    def ready(self):
        from .address_off import note_address_off

        user_logged_in.connect(note_address_off)
