"""Checks the values of OpenTelemetry's standard variables that its packages would pass over.

They fall back to a default with a warning: a misspelt sampler, or a share of "1%", would record
every request instead of one in a hundred, and a header that is none would be left out. Where
such a variable goes by two names, the one of traces alone comes first, as there.

Source: OpenTelemetry specification, environment variables and OTLP exporter configuration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from chronos.errors import SettingFault

_SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_SHARE: Final = "OTEL_TRACES_SAMPLER_ARG"
_RATIOS: Final = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS: Final = (
    *_RATIOS,
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
)
_COMPRESSIONS: Final = ("none", "gzip", "deflate")
_FILES: Final = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - HTTP calls a name so
_HEADER: Final = re.compile(rf"\s*{_TOKEN}\s*=[^\",;\\\x00-\x08\x0a-\x1f\x7f]*")


def check_values(environment: Mapping[str, str]) -> None:
    """Looks at sampler, compression, time-out, headers and certificates.

    Raises:
        SettingFault: One of them would not be what it says.
    """
    _check_sampler(environment)
    _check_sending(environment)
    for ending in _FILES:
        for name, text in _given(environment, ending):
            if not Path(text).is_file():
                raise SettingFault(name, f"names {text!r}, and no file is there")


def _check_sampler(environment: Mapping[str, str]) -> None:
    sampler = environment.get(_SAMPLER, "")
    if sampler and sampler.lower() not in _SAMPLERS:
        raise SettingFault(_SAMPLER, f"is {sampler!r}; it takes one of {', '.join(_SAMPLERS)}")
    share = environment.get(_SHARE, "")
    if share and sampler.lower() in _RATIOS and not 0 <= _number(share) <= 1:
        raise SettingFault(_SHARE, f"is {share!r}; it takes a share from 0 to 1, such as 0.01")


def _check_sending(environment: Mapping[str, str]) -> None:
    for name, text in _given(environment, "COMPRESSION"):
        if text.strip().lower() not in _COMPRESSIONS:
            raise SettingFault(name, f"is {text!r}; it takes one of {', '.join(_COMPRESSIONS)}")
    for name, text in _given(environment, "TIMEOUT"):
        if not 0 < _number(text) < math.inf:
            raise SettingFault(name, f"is {text!r}; it takes a number of seconds above 0")
    for name, text in _given(environment, "HEADERS"):
        # A header is mostly a credential, so the fault does not repeat it.
        if not all(_HEADER.fullmatch(part) for part in text.split(",") if part.strip()):
            raise SettingFault(name, "is not name=value,name=value")


def _given(environment: Mapping[str, str], ending: str) -> Iterator[tuple[str, str]]:
    """Gives the variable that counts, if one is set."""
    for name in (f"OTEL_EXPORTER_OTLP_TRACES_{ending}", f"OTEL_EXPORTER_OTLP_{ending}"):
        if environment.get(name):
            yield name, environment[name]
            return


def _number(text: str) -> float:
    """Reads a number as the SDK does; what is none is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
