"""Copies of a finished run in other formats."""
