"""What workers do for the configuration."""

from celery import shared_task

from configuration.later import apply_run


@shared_task
def apply_later(operation_id: str) -> None:
    """Apply the configuration of an operation."""
    apply_run(operation_id)
