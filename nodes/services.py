"""What can be done with a node beside editing its fields."""

from nodes.models import Node


def node_set_state(*, node: Node, state: Node.State) -> None:
    """Put a node into a state by hand. Setting the state it has does nothing."""
    if node.state != state:
        node.state = state
        node.save(update_fields=["state", "updated_at"])
