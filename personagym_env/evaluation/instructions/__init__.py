"""Wishes of simulated users: do they tell what people do next, and what is it worth to follow them?"""
