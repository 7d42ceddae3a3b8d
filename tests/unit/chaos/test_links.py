"""Each way between a process and a server is a link with a port of its own."""

from chronos.chaos.faults.network import How, network_faults
from chronos.chaos.links import ALL_LINKS, Links
from chronos.chaos.wounds import Wounds
from chronos.embedded.ports import Ports, free_block

PORTS = Ports.at(20_000)


def test_no_two_listeners_share_a_port():
    links = Links(15_000, PORTS)

    taken = [*links.ports.values(), *(one.port for one in links.kafka_listeners)]

    assert len(set(taken)) == len(taken)
    assert all(15_000 <= port < 15_100 for port in taken)


def test_kafka_advertises_the_proxy_in_front_of_each_listener():
    links = Links(15_000, PORTS)

    for listener in links.kafka_listeners:
        process = listener.name.lower()
        assert listener.advertised_port == links.ports[process, "kafka"]
        assert links.proxy(process, "kafka").target_port == listener.port


def test_clients_reach_the_doors_through_their_links():
    links = Links(15_000, PORTS)

    assert links.proxy("clients", "api").target_port == PORTS.api
    assert links.proxy("clients", "balances").target_port == PORTS.balances


async def test_a_server_is_cut_off_from_everybody_and_from_nobody_else():
    async with Links(free_block(), PORTS) as links:
        cut = links.cut("redis")
        assert [(link.process, link.server) for link in cut] == [("balances", "redis")]

        assert {link.process for link in links.at("postgres")} == {
            "api", "relay", "balances", "mirror",
        }  # fmt: skip
        await links.heal_all()


def test_every_link_is_hurt_in_every_way_and_every_server_cut_off():
    faults = network_faults(None, Wounds())

    names = {fault.name for fault in faults}
    assert len(names) == len(faults)
    for link in ALL_LINKS:
        assert {f"the link {link} {how}" for how in How} <= names
    assert "every link to kafka is cut in silence" in names
    # Who only reads through a link hurts no writer.
    assert {f.hits for f in faults if "relay to postgres" in f.name} == {frozenset({"relay"})}
    assert {f.hits for f in faults if "clients to api" in f.name} == {frozenset({"api"})}
