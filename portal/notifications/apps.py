from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "portal.notifications"

    def ready(self):
        # This import connects the signal receiver that ends a browser's push subscriptions when somebody
        # signs out.
        from .push import browser  # noqa: F401
