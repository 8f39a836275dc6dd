"""Cells: named membrane currents, cell models, integration and published physiology."""
