"""The simulated world: signals, what chips are made of, faults, recordings. `drivers.sim` is the bus and its chips."""
