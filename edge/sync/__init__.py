"""Room 5: outcomes travel upstream."""
