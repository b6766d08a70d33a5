"""What a user recalls about an item before answering."""
