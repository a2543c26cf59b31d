"""`python -m souche.main` is the `souche` command, by the same Python."""

from souche.main import cli

if __name__ == "__main__":
    cli()
