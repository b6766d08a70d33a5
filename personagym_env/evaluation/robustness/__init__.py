"""The robustness study: do verdicts stand when the study is done otherwise?"""
