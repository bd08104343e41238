"""Packaged sample micro-apps, each on one screen."""
