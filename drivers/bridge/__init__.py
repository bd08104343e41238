"""What lets code written for CircuitPython run here untouched: its modules, its wires, its classes; for one driver."""
