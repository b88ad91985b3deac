"""``python -m cislunar``: the same as ``cislunar``."""

from cislunar.cli import main

if __name__ == "__main__":
    main()
