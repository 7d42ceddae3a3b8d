"""Metrics, alerts and dashboards before a real Prometheus that watches a real pipeline."""
