"""What the commands about one node share."""

import os
import pwd

from django.core.management.base import CommandError

from nodes.models import Node


def named_node(name: str) -> Node:
    """The node of that name. Raises `CommandError` with the names that there are."""
    node = Node.objects.select_related("region").filter(name=name).first()
    if node:
        return node
    known = ", ".join(Node.objects.values_list("name", flat=True)[:20]) or "none yet"
    raise CommandError(f"There is no node “{name}”. Nodes: {known}.")


def who() -> str:
    """Who runs this command, for the timeline: the system's user."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        name = str(os.getuid())
    return f"{name} (command)"
