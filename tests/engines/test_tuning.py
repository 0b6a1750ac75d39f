"""Which option is which knob is the adapter's word; here it is held against what else the adapter says."""

import pytest

from engines import registry
from engines.abilities import Fits, Measures
from engines.options import options_for
from engines.tuning import Knob, Tuned


@pytest.mark.parametrize("name", registry.names())
def test_dials_are_options_of_the_engine_and_agree_with_what_decides_its_memory(name: str) -> None:
    engine = registry.get(name)
    assert isinstance(engine, Tuned)
    for knob, dial in engine.dials.items():
        whole = knob is not Knob.MEMORY_SHARE
        assert 0 < dial.least < dial.most, dial
        for bound in (dial.least, dial.most):
            options_for(engine, {dial.option: int(bound) if whole else bound})
        if isinstance(engine, Measures) and whole and (said := engine.memory_words.demand.get(knob)):
            assert said == dial.option
        if isinstance(engine, Fits) and not whole:
            assert engine.memory_options[0] == dial.option
