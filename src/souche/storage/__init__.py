"""Volume stores. `base` is the contract; each driver is one file."""
