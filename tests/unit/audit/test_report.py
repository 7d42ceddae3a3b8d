"""Reports stay small however much is wrong."""

from chronos.audit.report import FINDINGS_MAX, Finding, Report


def test_a_report_without_findings_is_clean_and_exits_with_zero():
    report = Report("verify")
    report.count("events", 3)

    assert (report.is_clean, report.exit_code) == (True, 0)
    assert report.lines() == ["verify: clean (3 events)"]


def test_a_million_differences_are_counted_but_not_kept():
    report = Report("reconcile")
    for number in range(1000):
        report.add(Finding(check="redis", account_id=f"a{number}", detail="is gone"))

    assert report.exit_code == 1
    assert len(report.findings) == FINDINGS_MAX
    assert report.to_builtins()["differences"] == 1000
    assert report.lines()[-1] == "  … and 800 more"
