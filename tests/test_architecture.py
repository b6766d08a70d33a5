"""The import arrows of the design, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "personagym_env": ROOT / "personagym_env",
    "personagym_agents": ROOT / "agents" / "personagym_agents",
    "personagym_recommenders": ROOT / "recommenders" / "personagym_recommenders",
}
FORBIDDEN = {
    "personagym_env": {"personagym_agents", "personagym_recommenders"},
    "personagym_agents": {"personagym_recommenders"},
    "personagym_recommenders": {"personagym_agents"},
}


def imported(tree: ast.Module, *, anywhere: bool) -> set[str]:
    """Top-level packages that a module imports: when it is loaded, or anywhere in it."""
    nodes = ast.walk(tree) if anywhere else iter(tree.body)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_keep_the_arrows(package: str) -> None:
    files = list(PACKAGES[package].rglob("*.py"))
    assert files
    # The command line is wiring: it may reach the users when a command runs, as `gym.make` does by a string.
    strict = package != "personagym_env"
    for path in files:
        crossing = imported(ast.parse(path.read_text()), anywhere=strict) & FORBIDDEN[package]
        assert not crossing, f"{path.relative_to(ROOT)} imports {sorted(crossing)}"


@pytest.mark.parametrize("module", ["personagym_env", "personagym_agents", "personagym_recommenders"])
def test_importing_a_package_does_not_load_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'recbole' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_source_roots_are_no_packages() -> None:
    for root in ("agents", "recommenders"):
        assert not (ROOT / root / "__init__.py").exists()
    for folder in PACKAGES.values():
        assert (folder / "py.typed").exists()
