"""Are the words of simulated users true? Statements held against held-out rows, and against what the users do."""
