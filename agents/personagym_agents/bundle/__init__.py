"""Bundles: trained populations on disk."""
