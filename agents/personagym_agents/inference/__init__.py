"""The reaction engine: slates scored in packed passes behind cached prefixes."""
