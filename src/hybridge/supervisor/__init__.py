"""The processes of `hybridge serve`: one that watches, workers that answer, and what they tell each other."""
