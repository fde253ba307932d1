"""The simulated world itself: order of events, clocks, what the network and the disk do to what they are given."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.simulation.clock import EPOCH_S, Clock
from ridgeway.simulation.disk import Disk
from ridgeway.simulation.network import CALM, Network, Weather
from ridgeway.simulation.scheduler import Scheduler
from ridgeway.simulation.trace import Trace


def delivered(seed: int, weather: Weather, messages: int = 400) -> tuple[list[bytes], Trace]:
    scheduler, trace = Scheduler(), Trace()
    network = Network(scheduler, Random(seed), trace, weather)
    came: list[bytes] = []
    network.attach("b", lambda _, message: came.append(message))
    for number in range(messages):
        network.send("a", "b", number.to_bytes(4, "big"))
    scheduler.run(60.0)
    return came, trace


def test_events_happen_in_order_of_time_and_then_of_scheduling() -> None:
    scheduler, seen = Scheduler(), list[str]()
    scheduler.after(2.0, lambda: seen.append("late"))
    scheduler.after(1.0, lambda: seen.append("first"))
    scheduler.after(1.0, lambda: scheduler.after(0.0, lambda: seen.append("third")))
    scheduler.after(1.0, lambda: seen.append("second"))
    scheduler.after(1.5, lambda: seen.append("never")).cancel()
    scheduler.run(3.0)
    assert seen == ["first", "second", "third", "late"]
    assert scheduler.now_s == 3.0


def test_a_fast_clock_is_early_and_only_the_wall_jumps() -> None:
    scheduler, times = Scheduler(), list[float]()
    fast = Clock(scheduler, drift=0.25)
    fast.after(10.0, lambda: times.append(scheduler.now_s))
    scheduler.run(100.0)
    fast.jump(-3600.0)
    assert times == [8.0]
    assert fast.monotonic_s() == 125.0
    assert fast.wall_s() == EPOCH_S + 125.0 - 3600.0
    assert fast.true_s(fast.monotonic_s()) == 100.0


def test_in_calm_weather_everything_arrives_once() -> None:
    came, trace = delivered(1, CALM)
    assert sorted(came) == [number.to_bytes(4, "big") for number in range(400)]
    assert not trace.faults


def test_each_kind_of_weather_strikes_about_as_often_as_it_says() -> None:
    came, trace = delivered(2, Weather(loss=0.5))
    assert len(came) + trace.faults["lost message"] == 400
    assert 150 < len(came) < 250
    came, trace = delivered(3, Weather(duplication=0.2))
    assert len(came) == 400 + trace.faults["doubled message"]
    assert 40 < trace.faults["doubled message"] < 120
    came, trace = delivered(4, Weather(damage=0.2, truncation=0.2))
    whole = {number.to_bytes(4, "big") for number in range(400)}
    cut = [message for message in came if len(message) < 4]
    assert len(cut) == trace.faults["truncated message"] > 20
    assert trace.faults["damaged message"] > 20
    assert set(came) != whole


def test_messages_overtake_one_another() -> None:
    came, _ = delivered(5, Weather(stragglers=0.1))
    assert came != sorted(came)
    assert len(came) == 400


def test_a_one_way_cut_stops_one_direction_only() -> None:
    scheduler, came = Scheduler(), list[str]()
    network = Network(scheduler, Random(1), Trace())
    for host in "ab":
        network.attach(host, lambda source, _: came.append(source))
    network.cut("a", "b")
    network.send("a", "b", b"x")
    network.send("b", "a", b"x")
    scheduler.run(1.0)
    assert came == ["b"]
    network.heal("a", "b")
    network.send("a", "b", b"x")
    scheduler.run(2.0)
    assert came == ["b", "a"]


def test_a_swizzle_cuts_everybody_off_and_mends_everybody() -> None:
    scheduler, trace = Scheduler(), Trace()
    network = Network(scheduler, Random(7), trace)
    hosts = ["a", "b", "c"]
    for host in hosts:
        network.attach(host, lambda *_: None)
    network.swizzle(hosts, within_s=10.0)
    scheduler.run(5.0)
    assert not any(network.reaches(one, other) for one in hosts for other in hosts if one != other)
    scheduler.run(10.0)
    assert all(network.reaches(one, other) for one in hosts for other in hosts)
    assert trace.faults["swizzled off"] == 3


def test_a_seed_gives_one_trace() -> None:
    weather = Weather(loss=0.2, duplication=0.2, damage=0.1, truncation=0.1, stragglers=0.1)
    assert delivered(11, weather)[1].digest() == delivered(11, weather)[1].digest()
    assert delivered(11, weather)[1].digest() != delivered(12, weather)[1].digest()


@given(st.integers(0, 2**32), st.binary(max_size=64), st.binary(max_size=64))
def test_what_was_synced_survives_every_crash(seed: int, before: bytes, after: bytes) -> None:
    disk = Disk()
    disk.write("f", before)
    disk.sync("f")
    disk.sync_names()
    disk.write("g", after)
    disk.sync("g")
    disk.rename("g", "f")
    disk.crash(Random(seed))
    assert disk.read("f") in {before, after}
    disk.write("f", after)
    disk.sync("f")
    disk.sync_names()
    disk.crash(Random(seed))
    assert disk.read("f") == after


def test_what_was_not_synced_is_lost_or_torn_in_some_crash() -> None:
    found = set()
    for seed in range(200):
        disk = Disk()
        disk.write("f", b"old")
        disk.sync("f")
        disk.sync_names()
        disk.write("f", b"newer")
        disk.write("g", b"unnamed")
        disk.crash(Random(seed))
        found |= {("f", disk.read("f")), ("g", disk.read("g"))}
    assert {("f", b"old"), ("f", b"newer"), ("f", b"ne\0"), ("g", None), ("g", b"unnamed")} <= found


def test_a_full_disk_refuses_and_takes_again_when_there_is_room() -> None:
    disk = Disk()
    disk.full = True
    with pytest.raises(OSError, match="No space left"):
        disk.write("f", b"data")
    disk.full = False
    disk.write("f", b"data")
    assert disk.read("f") == b"data"
    assert disk.names() == ("f",)
