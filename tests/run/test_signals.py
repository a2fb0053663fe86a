import os
import signal
from contextlib import suppress

import pytest

from cl_bench.run.signals import deferred, interrupt, interrupts_kept, terminated_like_interrupted


@pytest.fixture(autouse=True)
def handlers():
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_block_goes_on_until_its_state_is_whole(number):
    steps = []

    def work():
        with deferred() as request:
            os.kill(os.getpid(), number)
            steps.append(request.made)

    with terminated_like_interrupted():
        with pytest.raises(KeyboardInterrupt):
            work()
        assert signal.getsignal(signal.SIGTERM) is interrupt
    assert steps == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_second_signal_does_not_wait():
    steps = []

    def work():
        with deferred():
            for step in ("one", "two"):
                os.kill(os.getpid(), signal.SIGINT)
                steps.append(step)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["one"]


def test_ignored_signals_stay_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup leaves it
    with deferred() as request:
        os.kill(os.getpid(), signal.SIGINT)
    assert not request.made


def test_a_launchers_own_handler_stays():
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    with terminated_like_interrupted(), deferred() as request:
        os.kill(os.getpid(), signal.SIGTERM)
    assert seen == [signal.SIGTERM]
    assert not request.made


def test_an_interrupt_that_became_another_error_is_still_one():
    def import_something():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("as the import of an extension module does") from None

    with terminated_like_interrupted(), pytest.raises(KeyboardInterrupt), interrupts_kept():
        import_something()
    with terminated_like_interrupted(), pytest.raises(ImportError), interrupts_kept():
        raise ImportError("no signal came")


@pytest.mark.parametrize("signals", [1, 2])
def test_a_deferred_interrupt_that_became_another_error_is_still_one(signals):
    def clean_up():
        with deferred():
            try:
                for _ in range(signals):
                    os.kill(os.getpid(), signal.SIGTERM)
            finally:
                raise OSError("of a tracker that was told of the end")

    with terminated_like_interrupted(), pytest.raises(KeyboardInterrupt), interrupts_kept():
        clean_up()


def test_an_interrupt_that_got_lost_comes_before_the_next_batches():
    entered = []

    def go_on():
        with deferred():
            entered.append(True)

    with terminated_like_interrupted():
        with suppress(KeyboardInterrupt):  # as an import that has something to fall back on does
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            go_on()
        assert not entered
    go_on()  # an interrupt of another time
    assert entered


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_launchers_signal_waits_until_the_state_is_whole(number):
    steps = []
    signal.signal(number, lambda number, frame: steps.append("handled"))
    try:
        with terminated_like_interrupted(), deferred() as request:
            os.kill(os.getpid(), number)
            steps.append("batch")
            assert request.waiting
            request.pass_on()
            assert not request.waiting
            steps.append("next batch")
            os.kill(os.getpid(), number)
            steps.append("left early")
    finally:
        signal.signal(number, signal.SIG_DFL)
    assert steps == ["batch", "handled", "next batch", "left early", "handled"]
