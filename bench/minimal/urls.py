from django.shortcuts import render
from django.urls import path

from .models import Row


def page(request):
    return render(request, "page.html", {"rows": Row.objects.filter(owner=request.user).order_by("-at")[:30]})


urlpatterns = [path("", page)]
