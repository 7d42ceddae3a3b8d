"""Standard variables that the SDK would pass over with a warning are refused by name."""

from __future__ import annotations

import pytest

from chronos.errors import SettingFault
from chronos.telemetry.otlp_options import read_options

RECEIVER = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidration"),
        ("OTEL_TRACES_SAMPLER_ARG", "1%"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "-0.1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/no/such/file.pem"),
    ],
)
def test_a_value_that_would_be_passed_over_is_refused_by_name(name, text):
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}

    with pytest.raises(SettingFault) as refused:
        read_options(RECEIVER | ratio | {name: text})

    assert refused.value.setting == name
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
)
def test_headers_that_cannot_be_sent_are_refused_without_being_told(name):
    with pytest.raises(SettingFault) as refused:
        read_options(RECEIVER | {name: "tenant=one,Authorization: Bearer sesame"})

    assert refused.value.setting == name
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
        {"OTEL_TRACES_SAMPLER": "TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG": "1e-3"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ""},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
        {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "whatever"},
        {"OTEL_TRACES_SAMPLER": ""},
        {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, tenant=a=b,"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer x"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5"},
        {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": " Deflate "},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": ""},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE": __file__},
    ],
)
def test_what_the_sdk_understands_is_left_to_it(variables):
    assert read_options(RECEIVER | variables) is not None


def test_what_is_of_no_use_is_not_looked_at():
    assert read_options({"OTEL_TRACES_SAMPLER": "nonsense"}) is None
    # The variable of traces goes before the one of all signals.
    given = {"OTEL_EXPORTER_OTLP_COMPRESSION": "lz4"}
    own = {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip"}
    assert read_options(RECEIVER | given | own) is not None
