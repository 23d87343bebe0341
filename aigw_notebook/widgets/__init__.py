"""Widgets: a Python class and the JavaScript beside it in `static/`."""
