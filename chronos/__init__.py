"""Chronos: an event-sourced, distributed core-banking ledger."""

__version__ = "0.1.0"
