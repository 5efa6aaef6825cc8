from django.apps import AppConfig


class HelpSessionsConfig(AppConfig):
    name = "portal.helpsessions"
