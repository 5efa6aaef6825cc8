from django.apps import AppConfig
from django.db.models.signals import post_delete


class IncomingConfig(AppConfig):
    name = "portal.incoming"

    def ready(self):
        from portal.conversations.erased_signal import conversation_erased

        from .forgetting import forget_emails_to
        from .models import IncomingEmail
        from .originals import remove_with_row

        post_delete.connect(remove_with_row, sender=IncomingEmail)
        conversation_erased.connect(forget_emails_to)
