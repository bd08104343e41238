"""What drivers are made of, each used by several of them.

Quantities, checksums, what edges mean, motion, what outputs are given, channels by name, letters on a screen.
"""
