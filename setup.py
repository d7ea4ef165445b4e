"""Finds the packages; `pyproject.toml` says all else. `cli/` installs as `lfl_cli`, which collides with no other."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["lfl", "lfl.*"]), "lfl_cli"], package_dir={"lfl_cli": "cli"})
