"""How the worker and beat behave while Redis is away."""

import pytest

from cirrus_site.celery import app
from tests.servers import free_port


class Enough(Exception):
    """Stops the attempts."""


@pytest.mark.parametrize("connect", [app.connection_for_read, app.connection_for_write])
def test_a_lost_queue_is_asked_for_again_within_a_second_however_long_it_was_away(connect):
    pauses = []

    def failed(error, pause):
        pauses.append(pause)
        if len(pauses) == 6:
            raise Enough

    with pytest.raises(Enough):
        connect(f"redis://127.0.0.1:{free_port()}/1").ensure_connection(failed, None)
    assert max(pauses) <= 1
