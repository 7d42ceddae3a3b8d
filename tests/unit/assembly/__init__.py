"""How parts are put together, without running them."""
