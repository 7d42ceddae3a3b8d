"""Metrics, alert rules and dashboards, without a running pipeline."""
