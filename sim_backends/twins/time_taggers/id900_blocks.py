"""The settings of the ID900's blocks, as data: inputs, delays, combiners, generators, outputs, recorder, histograms.

Source: the Time Controller's command tree (user manual, section 9). Which values a unit powers up with is not
documented; here everything is off and unlinked except that RAWn records input n.
"""

from .scpi import Kind, Leaf, Refused, Tree, choice, on_off, volts, whole

INPUTS = {"INPU1": "1", "INPU2": "2", "INPU3": "3", "INPU4": "4", "STAR": "start"}
"""Input blocks, and what their connectors are called."""
DELAYS = [f"DELA{n}" for n in range(1, 9)]
MAX_PS = 10**18
LOW_RESOLUTION_PS = 100
_COMBINERS = [f"TSCO{n}" for n in range(1, 25)]
_OTHERS = [f"GEN{n}" for n in range(1, 9)] + ["REC"]
_SPELLINGS = {
    "INPU": "INPUT",
    "STAR": "START",
    "DELA": "DELAY",
    "TSCO": "TSCOMBINER",
    "GEN": "GENERATOR",
    "REC": "RECORD",
}

_TWO_FOLDS = {6: (1, 2), 7: (1, 3), 8: (1, 4), 3: (2, 3), 4: (2, 4), 5: (3, 4)}
"""Combiners of the factory COUNT wiring, and the inputs they combine."""

_time = whole(0, MAX_PS, "TB")
_delay = whole(-MAX_PS, MAX_PS, "TB")
_edge = choice("RISI,RISING", "FALL,FALLING")
_filter = choice("RISI,RISING", "FALL,FALLING", "ALL")
_operation = choice("AND", "OR", "ONLYFIR,ONLYFIRST", "ONLYSEC,ONLYSECOND", "MUTE")


def link(*, data: bool = False) -> Kind:
    """The name of a block, or ``NONE``; only inputs and delays can be the source of ``data``."""
    names = ["NONE", *INPUTS, *DELAYS, *(() if data else (*_COMBINERS, *_OTHERS))]
    words = {name: name for name in names}
    for name in names:
        stem = name.rstrip("0123456789")
        words[_SPELLINGS.get(stem, stem) + name[len(stem) :]] = name

    def parse(text: str) -> str:
        if text.upper() in words:
            return words[text.upper()]
        reason = "is not simulated as a source of data" if text.upper() in _COMBINERS else "is no block"
        raise Refused(f"ERROR: '{text}' {reason}")

    return Kind(parse)


def add_blocks(tree: Tree) -> None:
    """Add every setting that only needs to be kept; counters, recorder and data service add what acts."""
    tree.setting("DEVIce:RESolution", choice("HIRES", "LOWRES"), "LOWRES")
    tree.setting("DEVIce:SYNC", choice("INTERNAL,INT", "EXTERNAL,EXT"), "INTERNAL")
    tree.setting("DEVIce:LEDS", on_off(), True)
    for path in ("INPUt1", "INPUt2", "INPUt3", "INPUt4", "STARt"):
        _add_input(tree, path)
    for n in range(1, 9):
        tree.setting(f"DELAy{n}:LINK", link(), "NONE")
        tree.setting(f"DELAy{n}:VALUe", _delay, 0)
        _add_generator(tree, f"GENerator{n}")
    for n in range(1, len(_COMBINERS) + 1):
        _add_combiner(tree, f"TSCOmbiner{n}")
    for n in range(1, 5):
        _add_output(tree, f"OUTPut{n}")
        tree.setting(f"RAW{n}:REF:LINK", link(data=True), "NONE")
        tree.setting(f"RAW{n}:STOP:LINK", link(data=True), f"INPU{n}")
        tree.setting(f"RAW{n}:ENABle:LINK", link(), "REC")
        tree.setting(f"RAW{n}:SEND", on_off(), False)
        _add_histogram(tree, f"HISTogram{n}")
    tree.setting("RECord:TRIGger:ARM:MODE", choice("MANU,MANUAL", "AUTO"), "MANU")
    tree.setting("RECord:ENABle", on_off(), False)
    tree.setting("RECord:NUMber", whole(1, 10**9, infinite=True), 1)
    tree.setting("RECord:DURation", _time, 10**12)
    tree.setting("RECord:PWIDth", _time, 0)
    tree.setting("RECord:PPERiod", _time, 0)
    wiring = choice("HISTO", "COUNT")
    tree.add("DEVIce:CONFiguration:LOAD", Leaf(None, lambda text: _load_wiring(tree, wiring.parse(text))))


def _load_wiring(tree: Tree, name: str) -> None:
    """Link the blocks as the factory wirings do: start-stop histograms, or two-fold combiners for counting."""
    if name == "HISTO":
        for n in range(1, 5):
            tree.values[f"HIST{n}:REF:LINK"], tree.values[f"HIST{n}:STOP:LINK"] = "STAR", f"INPU{n}"
    else:
        for combiner, (first, second) in _TWO_FOLDS.items():
            tree.values[f"TSCO{combiner}:FIRS:LINK"], tree.values[f"TSCO{combiner}:SECO:LINK"] = (
                f"INPU{first}",
                f"INPU{second}",
            )
            tree.values[f"TSCO{combiner}:OPIN"] = "AND"


def _add_input(tree: Tree, path: str) -> None:
    tree.setting(f"{path}:ENABle", on_off(), False)
    tree.setting(f"{path}:COUPling", choice("DC", "AC"), "DC")
    tree.setting(f"{path}:EDGE", _edge, "RISI")
    tree.setting(f"{path}:THREshold", volts(-2, 2), 0.5)
    tree.setting(f"{path}:SELEct", choice("UNSHAPED,UNSH", "SHAPED,SHAP", "OUTPUT,OUTP", "LOOP"), "UNSHAPED")
    tree.reading(f"{path}:HIREs:ERROrs|ERROr", lambda: 0)
    tree.action(f"{path}:HIREs:ERROrs|ERROr:CLEAr", lambda: None)


def _add_combiner(tree: Tree, path: str) -> None:
    tree.setting(f"{path}:FIRSt:LINK", link(), "NONE")
    tree.setting(f"{path}:SECOnd:LINK", link(), "NONE")
    tree.setting(f"{path}:OPIN", _operation, "ONLYFIR")
    tree.setting(f"{path}:OPOUt", _operation, "MUTE")
    tree.setting(f"{path}:WINDow:ENABle", on_off(), False)
    for end in ("BEGIn", "END"):
        tree.setting(f"{path}:WINDow:{end}:LINK", link(), "NONE")
        tree.setting(f"{path}:WINDow:{end}:EDGE", _edge, "RISI")
        tree.setting(f"{path}:WINDow:{end}:DELAy", _delay, 0)


def _add_generator(tree: Tree, path: str) -> None:
    tree.setting(f"{path}:ENABle", on_off(), False)
    tree.setting(f"{path}:PNUMber", whole(1, 10**9, infinite=True), None)
    tree.setting(f"{path}:PPERiod", _time, 1_000_000)
    tree.setting(f"{path}:PWIDth", _time, 4_000)
    tree.setting(f"{path}:TRIGger:LINK", link(), "NONE")
    tree.setting(f"{path}:TRIGger:DELAy", _delay, 0)
    tree.setting(f"{path}:TRIGger:ARM:MODE", choice("MANU,MANUAL", "AUTO"), "MANU")
    tree.action(f"{path}:TRIGger:ARM", lambda: None)
    tree.action(f"{path}:PLAY", lambda: None)
    tree.action(f"{path}:STOP", lambda: None)


def _add_output(tree: Tree, path: str) -> None:
    tree.setting(f"{path}:ENABle", on_off(), False)
    tree.setting(f"{path}:LINK", link(), "NONE")
    tree.setting(f"{path}:MODE", choice("TTL", "NIM"), "NIM")
    tree.setting(f"{path}:PULSe", on_off(), False)
    tree.setting(f"{path}:PULSe:WIDTh", _time, 4_000)
    tree.setting(f"{path}:DELAy", _delay, 0)


def _add_histogram(tree: Tree, path: str) -> None:
    tree.setting(f"{path}:REF:LINK", link(data=True), "NONE")
    tree.setting(f"{path}:STOP:LINK", link(data=True), "NONE")
    tree.setting(f"{path}:ENABle:LINK", link(), "REC")
    tree.setting(f"{path}:REF:FILTer", _filter, "RISI")
    tree.setting(f"{path}:STOP:FILTer", _filter, "RISI")
    tree.setting(f"{path}:MINimum", _time, 0)
    tree.setting(f"{path}:BWIDth", whole(1, MAX_PS, "TB"), 100, lambda width: _check_bin(tree, width))
    tree.setting(f"{path}:BCOUnt", whole(1, 16_383), 16_383)


def _check_bin(tree: Tree, width_ps: int) -> None:
    if tree.values["DEVI:RES"] == "LOWRES" and width_ps % LOW_RESOLUTION_PS:
        raise Refused(f"ERROR: bin width is no multiple of {LOW_RESOLUTION_PS}TB")
