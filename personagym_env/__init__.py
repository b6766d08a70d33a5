"""The world of PersonaGym: data in, Gymnasium out."""
