"""What moved the answers of language-model users, in numbers and in words."""
