"""Metrics, protocols, baselines, reports."""
