"""Finds the packages; `pyproject.toml` says all else. `cli/` installs as `lfl_cli`, which collides with no other."""

from setuptools import find_namespace_packages, setup

# folders of data count as packages
found = find_namespace_packages(include=["lfl", "lfl.*"], exclude=["*.__pycache__"])
setup(packages=[*found, "lfl_cli"], package_dir={"lfl_cli": "cli"})
