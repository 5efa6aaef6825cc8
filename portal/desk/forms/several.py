"""Several forms on one page that are saved together."""

from itertools import chain


class SeveralForms:
    """The forms of one page. The error summary shows the errors of all these forms together.

    No two of the forms may have a field with the same name.
    """

    def __init__(self, *forms):
        self.forms = forms

    def __iter__(self):
        return chain.from_iterable(self.forms)

    @property
    def errors(self):
        return {name: errors for form in self.forms for name, errors in form.errors.items()}

    def non_field_errors(self):
        return [error for form in self.forms for error in form.non_field_errors()]
