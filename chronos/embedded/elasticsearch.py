"""A managed Elasticsearch: one node, unpacked once into the cache."""

from __future__ import annotations

import asyncio
import os
import shutil
import zipfile
from pathlib import Path

from chronos.embedded.artefacts import Artefacts, locked_artefacts
from chronos.embedded.folder import DataFolder, make_owned, write_owned
from chronos.embedded.java import Java, find_java
from chronos.embedded.machine import Machine
from chronos.embedded.module_info import patch_jar
from chronos.embedded.ports import LOOPBACK, check_free
from chronos.embedded.probes import elasticsearch_serves
from chronos.embedded.process import Command
from chronos.errors import EmbeddedFault

# Required by the module of the entitlement checks, used only by attached debuggers and linkers.
UNUSED_MODULES = frozenset({"jdk.jdi", "jdk.jlink"})
_ENTITLEMENT_JAR = "elasticsearch-entitlement-*.jar"

# Memory is reckoned by what requests reserve: what the heap really holds is mostly garbage that
# this collector lets lie until the heap is full, and a server that counts it refuses everything
# (429) at 95 %, as it did during a rebuild of a million events, until something is collected.
_SETTINGS = """\
cluster.name: chronos
node.name: chronos-1
path.data: {home}/data
path.logs: {home}/logs
network.host: {host}
http.port: {port}
transport.port: {transport_port}
discovery.type: single-node
xpack.security.enabled: false
indices.breaker.total.use_real_memory: false
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
"""
_JVM_OPTIONS = """\
-Xms512m
-Xmx512m
-XX:+UseSerialGC
-XX:-AlwaysPreTouch
-XX:TieredStopAtLevel=1
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir=${ES_TMPDIR}
"""


class ManagedElasticsearch:
    """Runs Elasticsearch on a data folder."""

    name = "elasticsearch"
    # It boots in 7 s on an idle machine and was seen to take 40 s on a busy one.
    ready_s = 180.0

    def __init__(
        self,
        machine: Machine,
        folder: DataFolder,
        artefacts: Artefacts,
        *,
        port: int,
        transport_port: int,
    ):
        self._machine = machine
        self._folder = folder
        self._artefacts = artefacts
        self._port = port
        self._transport_port = transport_port

    @property
    def address(self) -> str:
        """Gives the URL."""
        return f"http://{LOOPBACK}:{self._port}"

    async def command(self) -> Command:
        """Fetches and unpacks the server where needed, writes its settings, checks the ports.

        Raises:
            ChronosError: Java is missing, a fetch failed, the disk is full, or a port is busy.
        """
        java = await find_java(self._machine)
        install = await asyncio.to_thread(self._install, java)
        check_free(self._port, "Elasticsearch")
        check_free(self._transport_port, "Elasticsearch's transport")
        run_as = self._machine.run_as
        home = self._folder.server(self.name, run_as)
        for part in ("conf", "data", "logs", "tmp"):
            make_owned(home / part, run_as)
        settings = _SETTINGS.format(
            home=home, host=LOOPBACK, port=self._port, transport_port=self._transport_port
        )
        logging = (install / "config" / "log4j2.properties").read_text(encoding="utf-8")
        write_owned(home / "conf" / "elasticsearch.yml", settings, run_as)
        write_owned(home / "conf" / "jvm.options", _JVM_OPTIONS, run_as)
        write_owned(home / "conf" / "log4j2.properties", logging, run_as)
        return Command(
            argv=(str(install / "bin" / "elasticsearch"),),
            environment={
                "PATH": self._machine.path,
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "HOME": str(home / "tmp"),
                "ES_JAVA_HOME": str(java.home),
                "ES_PATH_CONF": str(home / "conf"),
                "ES_TMPDIR": str(home / "tmp"),
                "CLI_JAVA_OPTS": "-Xms8m -Xmx64m",
            },
            folder=home,
            log=self._folder.log / f"{self.name}.log",
            run_as=run_as,
        )

    async def probe(self) -> bool:
        """Tells whether the cluster has all its primary shards."""
        return await elasticsearch_serves(self.address)

    def _install(self, java: Java) -> Path:
        """Gives the unpacked server that fits this Java, unpacked at its first use."""
        (artefact,) = locked_artefacts(self.name)
        missing = UNUSED_MODULES - java.modules
        suffix = "-small-java" if missing else ""
        target = self._machine.cached("programs") / f"elasticsearch-{artefact.version}{suffix}"
        if not target.is_dir():
            (archive,) = self._artefacts.ensure((artefact,))
            unpack(archive, target, frozenset(missing))
        return target


def unpack(archive: Path, target: Path, optional_modules: frozenset[str]) -> None:
    """Unpacks a server's archive, which holds one folder, as `target`, in one step.

    Args:
        archive: The zip file, already checked.
        target: The folder to make.
        optional_modules: Modules that the entitlement jar shall no longer insist on.

    Raises:
        EmbeddedFault: The disk is full, or the archive is not what the lock promises.
    """
    staging = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(staging)
        (root,) = staging.iterdir()
        _set_modes(root)
        if optional_modules:
            (jar,) = (root / "lib").glob(_ENTITLEMENT_JAR)
            if patch_jar(jar, optional_modules) != optional_modules:
                raise EmbeddedFault(
                    f"{jar.name} does not require {', '.join(sorted(optional_modules))}: this "
                    "release of Elasticsearch needs another Java; set CHRONOS_JAVA to a full "
                    "one, release 17 or later."
                )
        root.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise EmbeddedFault(
                f"{archive.name} could not be unpacked into {target.parent} "
                f"({error.strerror}): free disk space there, or set CHRONOS_CACHE_DIR to a "
                "folder on a larger disk."
            ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _set_modes(root: Path) -> None:
    # A zip file does not carry them, and the umask of this process may be strict.
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            Path(folder, name).chmod(0o755 if Path(folder).name == "bin" else 0o644)
