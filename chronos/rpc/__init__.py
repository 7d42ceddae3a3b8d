"""The gRPC door of the ledger: it reads, checks and answers; it decides nothing."""
