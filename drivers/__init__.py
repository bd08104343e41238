"""Sensors and actuators: usable without the runtime."""
