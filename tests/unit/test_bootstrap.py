"""The starter: what it decides before there is an environment, and what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chronos import bootstrap
from chronos.bootstrap import SetupFault, explain, prepare, read_pins

LOCK = 'one==1.0 \\\n    --hash=sha256:00\nTwo[extra]==2.0 ; python_version < "3.14"\n'


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / "tests" / "requirements.lock").write_text(LOCK + "three==3.0\n")
    return tmp_path


@pytest.fixture
def made(monkeypatch):
    """Stands in for pip and venv, which need the network; counts what they were asked."""
    calls: list[str] = []

    def create(environment: Path) -> None:
        calls.append("create")
        shutil.rmtree(environment, ignore_errors=True)
        (environment / "bin").mkdir(parents=True)
        (environment / bootstrap._UNFINISHED).touch()
        (environment / "bin" / "python").symlink_to(sys.executable)

    def install(_python: Path, _environment: Path, lock: Path) -> None:
        calls.append(f"install {lock.name} of {lock.parent.name}")

    monkeypatch.setattr(bootstrap, "_create", create)
    monkeypatch.setattr(bootstrap, "_install", install)
    return calls


def test_pins_are_read_with_extras_and_markers():
    assert read_pins(LOCK) == {"one": "1.0", "two": "2.0"}


def test_the_lock_for_tests_holds_every_version_of_the_other():
    root = Path(bootstrap.__file__).resolve().parents[1]
    run = read_pins((root / bootstrap.RUN_LOCK).read_text(encoding="utf-8"))
    test = read_pins((root / bootstrap.TEST_LOCK).read_text(encoding="utf-8"))

    assert run.items() <= test.items()
    assert all(name in run for name in bootstrap._RUN_NAMES)
    assert all(name in test for name in bootstrap._TEST_NAMES)


def test_no_lock_names_an_address():
    root = Path(bootstrap.__file__).resolve().parents[1]
    for name in (bootstrap.RUN_LOCK, bootstrap.TEST_LOCK):
        assert "://" not in (root / name).read_text(encoding="utf-8")


def test_a_second_start_does_nothing(checkout, made):
    prepare(checkout, bootstrap.RUN_LOCK)
    first = list(made)

    prepare(checkout, bootstrap.RUN_LOCK)

    assert first == ["create", f"install requirements.lock of {checkout.name}"]
    assert made == first


def test_an_environment_for_tests_is_good_for_running_too(checkout, made):
    prepare(checkout, bootstrap.TEST_LOCK)
    made.clear()

    prepare(checkout, bootstrap.RUN_LOCK)

    assert made == []


def test_a_changed_lock_is_installed_into_the_same_environment(checkout, made):
    prepare(checkout, bootstrap.RUN_LOCK)
    made.clear()
    (checkout / "requirements.lock").write_text(LOCK.replace("1.0", "1.1"))

    prepare(checkout, bootstrap.RUN_LOCK)

    assert made == [f"install requirements.lock of {checkout.name}"]


def test_a_half_made_environment_is_made_anew(checkout, made):
    prepare(checkout, bootstrap.RUN_LOCK)
    made.clear()
    (checkout / ".venv" / bootstrap._UNFINISHED).touch()

    prepare(checkout, bootstrap.RUN_LOCK)

    assert made[0] == "create"


def test_an_environment_whose_python_is_gone_is_made_anew(checkout, made):
    prepare(checkout, bootstrap.RUN_LOCK)
    made.clear()
    (checkout / ".venv" / "bin" / "python").unlink()

    prepare(checkout, bootstrap.RUN_LOCK)

    assert made[0] == "create"


def test_an_interrupted_installation_leaves_a_mark(checkout, made, monkeypatch):
    def fail(*_):
        raise SetupFault("no network")

    monkeypatch.setattr(bootstrap, "_install", fail)
    with pytest.raises(SetupFault):
        prepare(checkout, bootstrap.RUN_LOCK)

    assert made == ["create"]
    assert (checkout / ".venv" / bootstrap._UNFINISHED).exists()


def test_a_missing_venv_module_names_the_package_to_install(checkout, monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(SetupFault, match=r"apt-get install python3\.\d+-venv"):
        prepare(checkout, bootstrap.RUN_LOCK)


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("NewConnectionError: Name or service not known", "cannot be reached"),
        ("ERROR: Could not find a version … (from versions: none)", "cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "checksum"),
        ("ERROR: No matching distribution found for one==1.0", "no one==1.0 for this Python"),
        ("something else", "exit code 2"),
    ],
)
def test_a_failure_of_pip_is_one_sentence_that_names_its_log(log, advice):
    sentence = explain(log, Path("/somewhere/pip.log"), 2)

    assert advice in sentence
    assert sentence.endswith("pip's log is /somewhere/pip.log.")
    assert "\n" not in sentence


def test_the_entry_file_is_readable_by_any_python():
    # No annotation, no f-string: an old Python must reach the sentence that refuses it.
    text = (Path(bootstrap.__file__).parent / "__main__.py").read_text(encoding="utf-8")

    assert 'f"' not in text
    assert "->" not in text
    assert "from __future__" not in text


def test_an_old_python_is_told_what_to_install(tmp_path):
    # The same file, run by a Python that claims to be old.
    entry = Path(bootstrap.__file__).parent / "__main__.py"
    script = (
        "import sys, collections\n"
        "sys.version_info = (3, 8, 0)\n"
        f"exec(compile(open({str(entry)!r}).read(), 'entry', 'exec'))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert ran.returncode == 1
    assert "this is Python 3.8 and Chronos needs 3.11" in ran.stderr
    assert "apt-get install" in ran.stderr


def test_a_bare_python_needs_nothing_but_the_standard_library_to_begin():
    # `-S` hides every installed package; the starter must still load.
    ran = subprocess.run(
        [sys.executable, "-S", "-c", "import chronos.bootstrap"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(bootstrap.__file__).resolve().parents[1],
        env={"PATH": os.defpath},
    )

    assert ran.returncode == 0, ran.stderr


def test_the_stamp_is_readable_by_people(checkout, made):
    prepare(checkout, bootstrap.TEST_LOCK)

    stamp = json.loads((checkout / ".venv" / bootstrap._STAMP).read_text())

    assert made
    assert set(stamp) == {"requirements.lock", "tests/requirements.lock"}


def test_the_environment_has_a_command_that_runs_the_checkout_from_anywhere(tmp_path):
    environment, checkout = tmp_path / "a b" / ".venv", tmp_path / "it's mine"
    (environment / "bin").mkdir(parents=True)
    (checkout / "chronos").mkdir(parents=True)
    (checkout / "chronos" / "__init__.py").touch()
    (checkout / "chronos" / "__main__.py").write_text("import sys; print(sys.argv[1:])")
    (environment / "bin" / "python").symlink_to(sys.executable)

    bootstrap.write_command(environment, checkout)

    ran = subprocess.run(
        [environment / "bin" / "chronos", "one", "two words"],
        capture_output=True, text=True, cwd="/", check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "['one', 'two words']"
