"""``bellringer coordinator`` and ``agent``: where they listen."""

import pytest
from bellringer.console.serve import address, stream_port_of
from bellringer.testbed.errors import BellringerError


@pytest.mark.parametrize(("port", "stream_port", "found"), [(0, 0, "*"), (5580, 0, "5581"), (5580, 6000, "6000")])
def test_the_stream_is_one_port_on_unless_told_otherwise(port, stream_port, found):
    assert stream_port_of(port, stream_port) == found


@pytest.mark.parametrize("bind", ["0.0.0.0", "alice.lab", "::1"])
def test_what_others_cannot_be_told_is_no_address(bind):
    with pytest.raises(BellringerError, match="no address that others can be told"):
        address(bind)
