"""`python -m calvin`."""

from calvin.cli.main import main

if __name__ == "__main__":
    main()
