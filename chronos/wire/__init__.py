"""Bytes and values: events, records, receipts and problems as they travel. Pure."""
