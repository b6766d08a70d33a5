"""The users of PersonaGym: documents, personas, adapters and the language model that reacts."""

from personagym_agents.registry import FROZEN, USER_AGENTS, UserAgentSpec, load, user_agent_names

__all__ = ["FROZEN", "USER_AGENTS", "UserAgentSpec", "load", "user_agent_names"]
