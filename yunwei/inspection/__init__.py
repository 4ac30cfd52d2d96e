"""The monthly inspection of the backup sites: what they answer, what policy makes of it, and the record of both."""
