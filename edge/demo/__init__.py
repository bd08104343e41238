"""`edge demo`: the main job in a terminal without hardware. Only the wires are simulated."""
