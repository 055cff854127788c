from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.roles import keep_roles

        # Once for each app, after Django has made the app's permissions.
        post_migrate.connect(keep_roles, dispatch_uid="keep_roles")
