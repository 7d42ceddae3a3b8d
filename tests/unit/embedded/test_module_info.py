from __future__ import annotations

import struct
import zipfile

import pytest

from chronos.embedded.module_info import make_optional, patch_jar

JDI, JLINK = "jdk.jdi", "jdk.jlink"
STATIC_PHASE = 0x0040


def descriptor(*requirements: tuple[str, int]) -> bytes:
    """Assembles a small `module-info.class` that requires the named modules."""
    pool: list[bytes] = []

    def constant(content: bytes) -> int:
        pool.append(content)
        return len(pool)

    def text(value: str) -> int:
        return constant(struct.pack(">BH", 1, len(value)) + value.encode())

    def module(value: str) -> int:
        return constant(struct.pack(">BH", 19, text(value)))

    this = constant(struct.pack(">BH", 7, text("module-info")))
    constant(struct.pack(">Bq", 5, 1) + b"")
    pool.append(b"")  # An eight-byte constant takes two numbers of the pool.
    attribute_name, own = text("Module"), module("org.example")
    lines = b"".join(
        struct.pack(">HHH", module(name), flags, 0) for name, flags in requirements
    )
    body = struct.pack(">HHHH", own, 0, 0, len(requirements)) + lines + b"\0" * 8
    other = struct.pack(">HI", text("SourceFile"), 2) + b"\0\1"
    attributes = other + struct.pack(">HI", attribute_name, len(body)) + body
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, 61, len(pool) + 1)
    rest = struct.pack(">HHHHHHH", 0x8000, this, 0, 0, 0, 0, 2)
    return head + b"".join(pool) + rest + attributes


def test_the_named_requirement_becomes_optional_and_no_other():
    before = descriptor(("java.base", 0x8000), (JDI, 0), (JLINK, 0x0020))

    after, found = make_optional(before, frozenset({JDI, JLINK}))

    assert found == {JDI, JLINK}
    assert after == descriptor(
        ("java.base", 0x8000), (JDI, STATIC_PHASE), (JLINK, 0x0020 | STATIC_PHASE)
    )


def test_a_requirement_that_is_not_there_is_not_reported():
    before = descriptor(("java.base", 0x8000))

    assert make_optional(before, frozenset({JDI})) == (before, frozenset())


def test_doing_it_twice_changes_nothing_more():
    once, _ = make_optional(descriptor((JDI, 0)), frozenset({JDI}))

    assert make_optional(once, frozenset({JDI})) == (once, frozenset({JDI}))


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="not a Java class"):
        make_optional(b"\0" * 64, frozenset({JDI}))


def test_a_jar_keeps_everything_but_its_descriptor(tmp_path):
    jar = tmp_path / "library.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr("module-info.class", descriptor((JDI, 0)))
        file.writestr("org/example/Thing.class", b"code")

    assert patch_jar(jar, frozenset({JDI})) == {JDI}

    with zipfile.ZipFile(jar) as file:
        assert file.namelist() == ["module-info.class", "org/example/Thing.class"]
        assert file.read("org/example/Thing.class") == b"code"
        assert file.read("module-info.class") == descriptor((JDI, STATIC_PHASE))
    assert [path.name for path in tmp_path.iterdir()] == ["library.jar"]
