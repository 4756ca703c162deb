"""The house: arrows point one way, and transforms touch nothing but data."""

import ast
import subprocess
import sys
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from reinschrift.flows.stages.resolve.verdicts import PAGE_RULES, RULES
from reinschrift.transforms.steps import RESOLVE_STEPS, STEPS, StepOrderError, in_order, rules_of

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "transforms": {"transforms"},
    "expectations": {"expectations", "transforms"},
    "flows": {"flows", "expectations", "transforms"},
}
# What expectations may know of transforms: the tables, what the hash of a text is, the signals.
SHARED_DEFINITIONS = (
    "reinschrift.transforms.contracts",
    "reinschrift.transforms.errors",
    "reinschrift.transforms.repeats.exact",
    "reinschrift.transforms.quality.signals",
)
NOT_IN_TRANSFORMS = {
    "prefect",
    "great_expectations",
    "logging",
    "pathlib",
    "os",
    "time",
    "datetime",
    "random",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        ours = {name for name in imports(path) if name.startswith("reinschrift.")}
        wrong = {name for name in ours if name.split(".")[1] not in MAY_IMPORT[package]}
        assert not wrong, f"{path} imports {wrong}"
        if package == "expectations":
            beyond = {
                n
                for n in ours
                if n.startswith("reinschrift.transforms.") and n not in SHARED_DEFINITIONS
            }
            assert not beyond, f"{path} imports {beyond}"


def test_transforms_touch_nothing_but_data():
    for path in (ROOT / "transforms").rglob("*.py"):
        found = {name.split(".")[0] for name in imports(path)} & NOT_IN_TRANSFORMS
        assert not found, f"{path} imports {found}"


@pytest.mark.parametrize(
    "module", ["reinschrift.flows.cli", "reinschrift.flows.run", "reinschrift.flows.face.console"]
)
def test_running_imports_neither_prefect_nor_great_expectations(module):
    code = f"import sys, {module}; print([m for m in ('prefect', 'great_expectations', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_one_import_of_no_module_is_unused_as_a_junk_drawer():
    names = {path.stem for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")}
    assert not names & {"utils", "helpers", "base", "manager", "common", "misc"}


def test_steps_out_of_order_name_both():
    repair, boilerplate = STEPS[1:3]
    with pytest.raises(StepOrderError, match="'repair' needs 'lines', but 'boilerplate'"):
        in_order(STEPS[0], replace(boilerplate, needs="lines"), repair)


def test_the_functions_of_the_resolve_steps_exist():
    for step in RESOLVE_STEPS:
        module, _, function = step.function.partition(":")
        assert callable(getattr(import_module(module), function)), step


def test_the_rules_of_the_resolve_steps_are_those_of_the_verdicts():
    assert set(rules_of("resolve", ("page",))) == set(PAGE_RULES[1:])
    assert set(rules_of("resolve", ("block", "sentence"))) == set(RULES)


def modules():
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
    }


def eager_imports(path, known):
    """Modules of ours imported when a module is: not for types alone, not within functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reinschrift."):
            module = node.module.removeprefix("reinschrift.")
            inner = {f"{module}.{alias.name}" for alias in node.names} & known.keys()
            yield from inner or {module}


def test_no_circle_of_imports():
    known = modules()
    graph = {name: set(eager_imports(path, known)) - {name} for name, path in known.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
