"""What a person reads on a page that Django's test client got."""

from typing import Any

from django.contrib.messages import get_messages


def sentences_of(response: Any) -> list[str]:
    """Every error that the forms of the page show, those of the inlines included."""
    context = response.context
    if not context or "adminform" not in context:
        return []
    found = [str(text) for errors in context["adminform"].form.errors.values() for text in errors]
    for inline in context["inline_admin_formsets"]:
        found += [str(text) for text in inline.formset.non_form_errors()]
        for errors in inline.formset.errors:
            found += [str(text) for texts in errors.values() for text in texts]
    return found


def messages_of(response: Any) -> list[str]:
    """The messages at the top of the page."""
    return [str(message) for message in get_messages(response.wsgi_request)] or [
        str(message) for message in (response.context or {}).get("messages", [])
    ]
