"""The import arrows of the design, and what an import may cost."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "personagym_env": ROOT / "personagym_env",
    "personagym_agents": ROOT / "agents" / "personagym_agents",
    "personagym_recommenders": ROOT / "recommenders" / "personagym_recommenders",
    "personagym_benchmarks": ROOT / "benchmarks" / "personagym_benchmarks",
}
FORBIDDEN = {
    "personagym_env": {"personagym_agents", "personagym_recommenders", "personagym_benchmarks"},
    "personagym_agents": {"personagym_recommenders", "personagym_benchmarks"},
    "personagym_recommenders": {"personagym_agents", "personagym_benchmarks"},
    "personagym_benchmarks": set[str](),
}


def imported(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports, in functions too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_keep_the_arrows(package: str) -> None:
    files = list(PACKAGES[package].rglob("*.py"))
    assert files
    for path in files:
        crossing = imported(ast.parse(path.read_text())) & FORBIDDEN[package]
        assert not crossing, f"{path.relative_to(ROOT)} imports {sorted(crossing)}"


@pytest.mark.parametrize("module", [*sorted(PACKAGES), "personagym_benchmarks.cli"])
def test_importing_a_package_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "transformers", "recbole", "sklearn", "numba", "peft", "ray", "matplotlib", "httpx")
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_users_import_what_only_fits_and_training_need_inside_functions() -> None:
    """Users of a bundle, or of a fit that was kept, do without scikit-learn and `peft`, each a second and more."""
    for path in PACKAGES["personagym_agents"].rglob("*.py"):
        outside = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        crossing = imported(ast.Module(outside, [])) & {"sklearn", "peft"}
        assert not crossing, f"{path.relative_to(ROOT)} imports {sorted(crossing)} at once"


def test_source_roots_are_no_packages() -> None:
    for root in ("agents", "recommenders", "benchmarks"):
        assert not (ROOT / root / "__init__.py").exists()
    for folder in PACKAGES.values():
        assert (folder / "py.typed").exists()


def imports_within(folder: Path) -> dict[str, set[str]]:
    """What each module of a package imports of it, for types and inside functions too."""
    modules = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    graph = {}
    for name, tree in modules.items():
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= names & modules.keys() if names <= modules.keys() else names | {node.module}
        graph[name] = found & modules.keys()
    return graph


def circle_of(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, empty if none do."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    graph = imports_within(PACKAGES[package])
    assert len(graph) > 5
    assert any(graph.values())
    assert circle_of(graph) == []


def test_circles_are_found_through_types_and_functions(tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("if TYPE_CHECKING:\n    from some.two import Two\n")
    (folder / "two.py").write_text("def made():\n    from some import one\n    return one\n")
    assert set(circle_of(imports_within(folder))) == {"some.one", "some.two"}
    (folder / "two.py").write_text("import some\n")
    assert circle_of(imports_within(folder)) == []
