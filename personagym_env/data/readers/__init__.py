"""Readers of foreign formats: one thin file per format, and the border checks that all of them share."""
