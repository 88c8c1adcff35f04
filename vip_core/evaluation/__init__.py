"""Metrics with intervals, calibration, the domain check, and symptom reliance."""
