"""The WSGI entry point of the control plane."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cirrus_site.settings")

application = get_wsgi_application()

# All that is loaded stays, so the collector of garbage need not walk it again: an unlucky request waited a
# quarter of a second for that.
get_resolver().url_patterns  # noqa: B018  (loads the views of all apps)
gc.collect()
gc.freeze()
