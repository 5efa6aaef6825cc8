from django.urls import path

from . import views

urlpatterns = [
    path("", views.figures, name="figures"),
    path("table.csv", views.figures_csv, name="figures_csv"),
    path("outcomes/", views.outcomes, name="outcomes"),
]
