from django.apps import AppConfig


class CheckInsConfig(AppConfig):
    name = "portal.checkins"

    def ready(self):
        from portal.helpsessions.answer_signal import patron_answered

        from .answering import note_answers

        patron_answered.connect(note_answers)
