"""The agreement study: do judges order recommenders as real users do?"""
