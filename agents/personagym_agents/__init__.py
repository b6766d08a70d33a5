"""The users of PersonaGym: documents, personas, adapters and the language model that reacts."""
