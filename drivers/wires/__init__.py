"""Wires between drivers and the world: what each promises, the real ones, and what is known about them."""
