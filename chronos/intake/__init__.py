"""Brings accounts, opening balances and past entries in from files, through the public API."""
