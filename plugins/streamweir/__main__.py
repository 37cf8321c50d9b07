"""`python -m streamweir`: the same as the console script `streamweir`."""

from streamweir.cli import main

if __name__ == "__main__":
    main()
