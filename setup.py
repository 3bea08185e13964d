"""Maps the rooms at the top level into one namespace, so that no room is a global import name."""

from setuptools import find_packages, setup

ROOMS = (
    "physics",
    "testbed",
    "drivers",
    "sim_backends",
    "analysis",
    "orchestrator",
    "sequences",
    "console",
    "examples",
)
packages = [
    f"bellringer.{name}" for room in ROOMS for name in (room, *(f"{room}.{sub}" for sub in find_packages(room)))
]

setup(packages=packages, package_dir={"bellringer": "."}, package_data={"": ["py.typed", "*.yaml", "*.html", "*.css"]})
