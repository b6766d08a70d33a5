"""The validation: do simulated logs look like real ones?"""
