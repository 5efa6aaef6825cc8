from django.apps import AppConfig


class CountsConfig(AppConfig):
    name = "portal.counts"
