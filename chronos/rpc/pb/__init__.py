"""The interface `chronos.v1.Ledger` and the code that grpcio-tools makes of it."""
