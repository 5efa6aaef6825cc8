from django.db import models


class Cover(models.Model):
    """The answer of the cover source about one ISBN. The picture itself is a file (stored.py).

    Each ISBN about which the source was asked has a row, even if the source has no cover for it.
    """

    isbn = models.CharField(max_length=13, primary_key=True, help_text="ISBN-13, digits only")
    found = models.BooleanField(help_text="whether a picture is stored")
    asked_on = models.DateField(help_text="the night in which the source was last asked")

    def __str__(self):
        return self.isbn
