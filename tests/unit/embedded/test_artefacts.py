from __future__ import annotations

import errno
import hashlib

import pytest

from chronos.embedded.artefacts import LOCK, Artefact, Artefacts, locked_artefacts
from chronos.embedded.machine import Machine
from chronos.embedded.report import Silence
from chronos.errors import EmbeddedFault


@pytest.fixture
def machine(tmp_path):
    return Machine(
        run_as=None,
        cache=tmp_path / "cache",
        data=tmp_path / "data",
        path="",
        java=None,
        java_home=None,
        postgres_bin=None,
        wal_archive=None,
    )


def artefact(content: bytes, name: str = "thing") -> Artefact:
    return Artefact(
        group="org.example",
        name=name,
        version="1.0",
        packaging="jar",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        used_by="kafka",
    )


class Source:
    """Hands out contents instead of the network, and counts."""

    def __init__(self, content: bytes = b"jar", faults: list[BaseException] | None = None):
        self.content = content
        self.faults = faults or []
        self.fetches = 0

    def __call__(self, wanted, folder, advance):
        self.fetches += 1
        if self.faults:
            raise self.faults.pop(0)
        advance(len(self.content))
        path = folder / wanted.file_name
        path.write_bytes(self.content)
        return path


def test_the_lock_names_every_file_with_checksum_and_size_and_no_address():
    kafka, elasticsearch = locked_artefacts("kafka"), locked_artefacts("elasticsearch")

    assert len(kafka) == 46
    assert [a.packaging for a in elasticsearch] == ["zip"]
    for entry in (*kafka, *elasticsearch):
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.size_bytes > 0
    assert "://" not in LOCK.read_text(encoding="utf-8")


def test_a_second_start_fetches_nothing(machine):
    source = Source()
    artefacts = Artefacts(machine, Silence(), source)

    first = artefacts.ensure((artefact(b"jar"),))
    second = artefacts.ensure((artefact(b"jar"),))

    assert first == second
    assert first[0].read_bytes() == b"jar"
    assert source.fetches == 1


def test_a_truncated_file_in_the_cache_is_fetched_again(machine):
    source = Source()
    artefacts = Artefacts(machine, Silence(), source)
    (path,) = artefacts.ensure((artefact(b"jar"),))
    path.write_bytes(b"j")

    artefacts.ensure((artefact(b"jar"),))

    assert path.read_bytes() == b"jar"


def test_a_wrong_checksum_keeps_the_file_out_of_the_cache(machine):
    artefacts = Artefacts(machine, Silence(), Source(b"bad"))

    with pytest.raises(EmbeddedFault, match="SHA-256"):
        artefacts.ensure((artefact(b"jar"),))

    assert not list((machine.cache / "artefacts").iterdir())


def test_a_passing_fault_of_the_network_is_tried_again(machine):
    source = Source(faults=[ConnectionError("reset")])

    Artefacts(machine, Silence(), source).ensure((artefact(b"jar"),))

    assert source.fetches == 2


def test_no_network_ends_in_one_sentence(machine):
    source = Source(faults=[ConnectionError("no route")] * 3)

    with pytest.raises(EmbeddedFault, match=r"thing-1\.0\.jar could not be fetched"):
        Artefacts(machine, Silence(), source).ensure((artefact(b"jar"),))


def test_a_full_disk_is_said_at_once(machine):
    source = Source(faults=[OSError(errno.ENOSPC, "No space left on device")])

    with pytest.raises(EmbeddedFault, match=r"disk of .* is full"):
        Artefacts(machine, Silence(), source).ensure((artefact(b"jar"),))

    assert source.fetches == 1


def test_a_missing_fetcher_says_what_to_install(machine):
    source = Source(faults=[ImportError("jgo")])

    with pytest.raises(EmbeddedFault, match="embedded"):
        Artefacts(machine, Silence(), source).ensure((artefact(b"jar"),))


def test_progress_never_exceeds_the_whole(machine):
    seen: list[tuple[int, int]] = []

    class Listener(Silence):
        def fetching(self, done_bytes, total_bytes):
            seen.append((done_bytes, total_bytes))

    wanted = tuple(artefact(b"jar", name=f"thing{n}") for n in range(5))
    Artefacts(machine, Listener(), Source()).ensure(wanted)

    assert seen[-1] == (15, 15)
    assert all(done <= total for done, total in seen)
