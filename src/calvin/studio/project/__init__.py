"""The project of one film: its database, what is stored, and how far it is."""
