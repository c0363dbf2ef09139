"""The review page: a server on this machine, in which a film's description is written, heard, approved and delivered.

    browser -> guard (Host, Origin, token) -> routes -> desk (one project, its store) | jobs (worker processes)

The store stays the one truth. Long work runs in processes of its own, which end with the server.
"""
