"""Room 1: the world becomes events."""
