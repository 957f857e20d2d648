"""Loaders of the real data that the examples train on."""
