"""What keeps an edge from starting, in sentences."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from edge.errors import EdgeCannotStart
from edge.runtime import ca_bundle


def test_a_named_file_of_authorities_that_is_not_there_is_not_replaced_by_another(settings, tmp_path):
    missing = tmp_path / "authorities.pem"
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"edge_ca_bundle": str(missing)})
    with pytest.raises(EdgeCannotStart, match=f"CIRRUS_EDGE_CA_BUNDLE: there is no file {missing}."):
        ca_bundle()
    missing.touch()
    assert ca_bundle() == str(missing)


@pytest.mark.parametrize("option", ["--http-port", "--status-port"])
def test_a_port_that_does_not_exist_is_a_sentence(option):
    with pytest.raises(CommandError, match=f"argument {option}: invalid port value: '99999'"):
        call_command("run_edge", "--node=edge-1", f"{option}=99999")
