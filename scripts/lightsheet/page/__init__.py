"""What a person looks at: the report of a finished run, and what the sheet of the pilot shares with it."""
