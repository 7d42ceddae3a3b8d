"""Makes `requires X` of a Java module optional, in the compiled `module-info.class`.

A Java made by jlink may lack modules that a library's descriptor requires without needing them
for the work at hand. `requires static` (the flag ACC_STATIC_PHASE) lets the module start
without them.

Source: The Java Virtual Machine Specification, chapter 4 (4.4 the constant pool, 4.7.25 the
attribute `Module`).
"""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

DESCRIPTOR = "module-info.class"
_MAGIC = 0xCAFEBABE
_STATIC_PHASE = 0x0040

_UTF8, _MODULE, _LONG, _DOUBLE = 1, 19, 5, 6
# Bytes that follow an entry's tag, by tag; a UTF-8 entry carries its own length.
_ENTRY_SIZES = {
    3: 4, 4: 4, _LONG: 8, _DOUBLE: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4,
    15: 3, 16: 2, 17: 4, 18: 4, _MODULE: 2, 20: 2,
}  # fmt: skip


def make_optional(class_file: bytes, modules: frozenset[str]) -> tuple[bytes, frozenset[str]]:
    """Makes the named requirements optional.

    Returns:
        The new class file, and the names that were found in it.

    Raises:
        ValueError: The bytes are no module descriptor.
    """
    reader = _Reader(class_file)
    if reader.u4() != _MAGIC:
        raise ValueError("not a Java class file")
    reader.skip(4)  # minor and major version
    texts, module_names = _read_constants(reader)
    reader.skip(6)  # access flags, this class, super class
    reader.skip(2 * reader.u2())  # interfaces
    if reader.u2() or reader.u2():
        raise ValueError("a module descriptor has no fields and no methods")
    patched = bytearray(class_file)
    found: set[str] = set()
    for _ in range(reader.u2()):
        name, size = texts[reader.u2()], reader.u4()
        end = reader.at + size
        if name == "Module":
            reader.skip(6)  # the module's own name, flags and version
            for _ in range(reader.u2()):
                required = texts[module_names[reader.u2()]]
                if required in modules:
                    flags = struct.unpack_from(">H", class_file, reader.at)[0]
                    struct.pack_into(">H", patched, reader.at, flags | _STATIC_PHASE)
                    found.add(required)
                reader.skip(4)  # flags and version of this requirement
        reader.at = end
    return bytes(patched), frozenset(found)


def patch_jar(jar: Path, modules: frozenset[str]) -> frozenset[str]:
    """Makes the named requirements of a jar's module optional, in place and in one step.

    Returns:
        The names that were found.
    """
    staging = jar.with_name(f".{jar.name}.{os.getpid()}")
    found: frozenset[str] = frozenset()
    packed = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(jar) as old, zipfile.ZipFile(staging, "w", packed) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == DESCRIPTOR:
                content, found = make_optional(content, modules)
            new.writestr(entry, content)
    staging.chmod(0o644)
    staging.replace(jar)
    return found


class _Reader:
    """Reads big-endian numbers one after the other."""

    def __init__(self, content: bytes):
        self._content = content
        self.at = 0

    def u1(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def u2(self) -> int:
        return self.u1() << 8 | self.u1()

    def u4(self) -> int:
        return self.u2() << 16 | self.u2()

    def text(self) -> str:
        size = self.u2()
        self.at += size
        return self._content[self.at - size : self.at].decode()

    def skip(self, size: int) -> None:
        self.at += size


def _read_constants(reader: _Reader) -> tuple[dict[int, str], dict[int, int]]:
    """Reads the constant pool: texts, and for each module entry the index of its name."""
    texts: dict[int, str] = {}
    module_names: dict[int, int] = {}
    index, count = 1, reader.u2()
    while index < count:
        tag = reader.u1()
        if tag == _UTF8:
            texts[index] = reader.text()
        elif tag == _MODULE:
            module_names[index] = reader.u2()
        elif tag in _ENTRY_SIZES:
            reader.skip(_ENTRY_SIZES[tag])
        else:
            raise ValueError(f"constant of unknown kind {tag}")
        # The two eight-byte kinds take two numbers of the pool.
        index += 2 if tag in {_LONG, _DOUBLE} else 1
    return texts, module_names
