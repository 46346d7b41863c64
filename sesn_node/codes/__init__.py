"""Code lists, and what is checked against them: goods, places, parties, and whole consignments."""
