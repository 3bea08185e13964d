"""What is printed where no terminal is: for another program, or to be searched later."""

from bellringer.console.main import print_error
from bellringer.console.out import printer
from bellringer.testbed.errors import BellringerError
from rich.table import Table

RESOURCE = "ASRL/dev/serial/by-id/usb-Cobolt_06-01_Laser_17042-if00::INSTR"


def test_a_pipe_gets_names_whole(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table("instrument", "driver", "resource", "settings")
    table.add_row("charlie.pump", "cobolt_06", RESOURCE, "power = 10 mW, mode = [constant]")
    printer().print(table)
    out = capsys.readouterr().out
    assert RESOURCE in out
    assert "[constant]" in out


def test_an_error_in_a_pipe_has_one_line_each_for_what_where_and_next(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_error(BellringerError("what " * 30, where="where " * 30, hint="next " * 30))
    assert [line[:8] for line in capsys.readouterr().err.splitlines()] == ["error: w", "  where:", "  next: "]
