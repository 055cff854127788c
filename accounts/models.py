"""Users of the portal and the API."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who operates Cirrus. Our own class from the first migration, so that it can grow."""
