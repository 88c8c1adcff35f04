"""What pyproject.toml cannot express: folders that the wheel renames, and a README without the Space's front matter."""

from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup

# Folder here: its name in the wheel. vip_core/utils/paths.py finds the resources in both.
RENAMED = {
    "demo": "vip_demo",
    "checkpoints": "vip_core.resources.checkpoints",
    "assets": "vip_core.resources.assets",
}
README = Path("README.md").read_text(encoding="utf-8")

resources = [
    f"{RENAMED[folder]}{inner}"
    for folder in ("checkpoints", "assets")
    for inner in ("", *(f".{name}" for name in find_namespace_packages(folder)))
]
setup(
    long_description=README.split("\n---\n", 1)[1].lstrip(),
    long_description_content_type="text/markdown",
    packages=[
        *find_packages(include=["vip_core", "vip_core.*"]),
        *(f"vip_{name}" for name in find_packages(include=["demo", "demo.*"])),
        *resources,
    ],
    package_dir={name: folder for folder, name in RENAMED.items()},
    package_data={
        "vip_core": ["py.typed", "**/*.md", "**/*.json", "**/*.txt"],
        **{name: ["*.*"] for name in resources},
    },
    exclude_package_data={RENAMED["assets"]: ["page.png"]},
)
