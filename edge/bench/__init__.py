"""Figures as ratios against a baseline measured in the same run: what a timing in a test could never say."""
