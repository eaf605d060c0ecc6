"""Larder keeps the state of an EPICS machine."""
