from django.urls import path

from portal.desk.views import director, outcomes

from . import views

urlpatterns = [
    path("", views.figures, name="figures"),
    path("table.csv", views.figures_csv, name="figures_csv"),
    path("outcomes/", outcomes.outcomes, name="outcomes"),
    path("outcomes/table.csv", outcomes.outcomes_csv, name="outcomes_csv"),
    path("director/", director.director, name="director"),
]
