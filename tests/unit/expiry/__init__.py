"""The expiry agent on fakes."""
