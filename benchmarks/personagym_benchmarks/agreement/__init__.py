"""The agreement study: do simulated users order recommenders as real users do?"""
