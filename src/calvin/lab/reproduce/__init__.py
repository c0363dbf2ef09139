"""Every table and figure of the paper by one command: its rows, runs, verdicts and report."""
