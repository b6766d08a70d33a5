"""Profiles and reasons by a frozen chat model: self-reflection over ratings, every claim checked against them.

    ratings -> batches of at most 10 -> notes -> merged notes -> profile -> claims checked -> document header

This is the *user profile* `M_s` of *Personas within Parameters* (arXiv 2509.09689), with an evaluator that throws out
what the ratings do not bear out. `personagym_agents.llm.profiling.profile_users` runs the whole of it;
`personagym_agents.llm.reasons.write_reasons` has a reason written for each rating.
"""
