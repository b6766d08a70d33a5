"""The robustness study: does a verdict stand when the agreement study is done otherwise?"""
