"""The public code: each name explained, dispatch that cannot fall through, nothing made or done at import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import pytest

from tests.architecture.tree import (
    FUNCTION,
    Function,
    Source,
    assert_holds,
    dotted,
    product,
    python_files,
    sample,
)

WRITTEN_BY_FRAMEWORKS = frozenset({"overload", "override", "setter", "deleter"})
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"})
MUTATORS = frozenset(
    {"append", "add", "update", "pop", "popitem", "clear", "extend", "insert", "remove", "discard", "setdefault"}
)
SINGLETONS = frozenset(
    {"Redis", "FastAPI", "Metrics", "CollectorRegistry", "Settings", "load", "Lock", "Semaphore", "Queue", "Console"}
    | {"create_pool", "from_url", "AsyncClient", "Client", "ThreadPoolExecutor", "ProcessPoolExecutor", "SystemClock"}
)
WORK = frozenset({"open", "read_text", "read_bytes", "run", "Popen", "connect", "check_output", "mkdir", "configure"})


def is_interface(node: ast.ClassDef) -> bool:
    return bool({"Protocol", "ABC"} & {dotted(base).rpartition(".")[2] for base in node.bases})


def documented_interfaces(sources: Iterable[Source]) -> frozenset[str]:
    """Methods that a protocol or an abstract class explains, once for all that implement it."""
    return frozenset(
        method.name
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ClassDef)
        and {"Protocol", "ABC"} & {dotted(base).rpartition(".")[2] for base in node.bases}
        for method in node.body
        if isinstance(method, FUNCTION) and ast.get_docstring(method)
    )


def unexplained(source: Source, explained: frozenset[str] = frozenset()) -> Iterator[str]:
    if source.tree.body and not ast.get_docstring(source.tree):
        yield f"{source.path}:1: the module has no docstring"
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = (item for item in node.body if isinstance(item, FUNCTION) and item.name not in explained)
            yield from _without_docstring(source, [node, *methods])
        elif isinstance(node, FUNCTION):
            yield from _without_docstring(source, [node])


def _without_docstring(source: Source, nodes: Iterable[Function | ast.ClassDef]) -> Iterator[str]:
    for node in nodes:
        exempt = {dotted(decorator).rpartition(".")[2] for decorator in node.decorator_list} & WRITTEN_BY_FRAMEWORKS
        if not node.name.startswith("_") and not exempt and not ast.get_docstring(node):
            yield source.at(node, f"{node.name} has no docstring")


def open_ended_matches(source: Source) -> Iterator[str]:
    """`match` statements that fall through in silence.

    The last case must take everything, or every case must leave: then what follows is for all else, or mypy proves
    from the function's type that nothing is missing.
    """
    silent = {id(function.body[-1]) for function in source.functions if _gives_nothing(function)}
    for node in source.nodes:
        if not isinstance(node, ast.Match) or _takes_all(node.cases[-1]):
            continue
        if id(node) in silent or not all(map(_leaves, node.cases)):
            yield source.at(node, "the match has no last case for all else; end it in assert_never")


def _takes_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None


def _gives_nothing(function: Function) -> bool:
    result = function.returns
    return result is None or (isinstance(result, ast.Constant) and result.value is None)


def _leaves(case: ast.match_case) -> bool:
    return isinstance(case.body[-1], ast.Return | ast.Raise)


def dispatch_by_text(source: Source) -> Iterator[str]:
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.JoinedStr() | ast.BinOp(), *_]):
                yield source.at(node, "getattr of a name put together; use match")
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals" | "locals" | "vars"))):
                yield source.at(node, "a variable looked up by its name; use match")
            case _:
                pass


def module_state(source: Source) -> Iterator[str]:
    """What a module holds and changes, or makes and shares."""
    holders: set[str] = set()
    for node in source.tree.body:
        for name, value in _bindings(node):
            call = dotted(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
            if isinstance(value, MUTABLE) or call in MUTABLE_CALLS:
                holders.add(name)
                if not name.isupper() and name != "__all__":
                    yield source.at(node, f"{name} is mutable and shared by the whole process")
            if call in SINGLETONS:
                yield source.at(node, f"{name} is made at import and shared by the whole process")
    yield from _changes(source, holders)
    yield from (source.at(node, "global") for node in source.nodes if isinstance(node, ast.Global))


def _bindings(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case _:
            pass


def _changes(source: Source, holders: set[str]) -> Iterator[str]:
    for node in source.nodes:
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in holders:
                yield source.at(node, f"{name} is changed")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=verb)) if (
                name in holders and verb in MUTATORS
            ):
                yield source.at(node, f"{name} is changed by {verb}")
            case _:
                pass


def work_at_import(source: Source) -> Iterator[str]:
    """Files read, processes run or servers reached while a module is being imported."""
    for node in _at_import(source.tree.body):
        if isinstance(node, ast.Call):
            name = dotted(node.func) or getattr(node.func, "attr", "")
            if name.rpartition(".")[2] in WORK:
                yield source.at(node, f"{name} at import")


def _at_import(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        is_main = isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
        if is_main or isinstance(node, (*FUNCTION, ast.Lambda)):
            continue
        yield node
        yield from _at_import(ast.iter_child_nodes(node))


def test_every_public_name_is_explained_in_place() -> None:
    explained = documented_interfaces(product())
    assert_holds(lambda source: unexplained(source, explained), product())


def test_every_dispatch_takes_all_there_is() -> None:
    assert_holds(open_ended_matches, product())


def test_nothing_is_dispatched_by_pasting_names() -> None:
    assert_holds(dispatch_by_text, product())


def test_no_module_holds_state_of_the_process() -> None:
    assert_holds(module_state, product())


def test_importing_a_module_does_no_work() -> None:
    assert_holds(work_at_import, product())


def test_every_process_with_code_can_be_started() -> None:
    """Role nouns for processes: each has a `__main__` once it has anything."""
    for process in ("coordinator", "supervisor", "orchestrator_api", "agent_runner"):
        files = [source.path for source in python_files(process) if source.text.strip()]
        assert not files or f"{process}/__main__.py" in files, process


def test_missing_explanations_would_be_found_everywhere() -> None:
    text = "def f(): ...\nclass C:\n    def m(self): ...\n    def now(self): ...\n    def _p(self): ...\n"
    assert list(unexplained(sample(text), frozenset({"now"}))) == [
        "sample.py:1: the module has no docstring",
        "sample.py:1: f has no docstring",
        "sample.py:2: C has no docstring",
        "sample.py:3: m has no docstring",
    ]


@pytest.mark.parametrize(
    ("cases", "found"),
    [
        (["case int(): pass"], 1),
        (["case int(): pass", "case _: pass"], 0),
        (["case int(): return 1", "case str(): return 2"], 0),
        (["case int(): return 1", "case str(): y = 2"], 1),
        (["case int(): pass", "case other: assert_never(other)"], 0),
    ],
)
def test_dispatch_that_falls_through_would_be_found(cases: list[str], found: int) -> None:
    text = "\n        ".join(["def f(x: int | str) -> int:\n    match x:", *cases])
    assert len(list(open_ended_matches(sample(text)))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cache = {}", 1),
        ("CODES = {'a': 1}", 0),
        ("CODES = {}\ndef f(): CODES['a'] = 1", 1),
        ("SEEN = set()\ndef f(): SEEN.add(1)", 1),
        ("def f():\n    global x\n    x = 1", 1),
        ("redis = Redis()", 1),
        ("settings: Settings = load('api')", 1),
        ("log = structlog.get_logger()", 0),
    ],
)
def test_state_in_a_module_would_be_found(text: str, found: int) -> None:
    assert len(list(module_state(sample(text)))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = Path('a').read_text()", 1),
        ("class C:\n    x = open('a')", 1),
        ("def f(): open('a')", 0),
        ("if __name__ == '__main__':\n    asyncio.run(main())", 0),
    ],
)
def test_work_at_import_would_be_found(text: str, found: int) -> None:
    assert len(list(work_at_import(sample(text)))) == found


def test_dispatch_by_pasted_names_would_be_found() -> None:
    text = "getattr(self, f'on_{kind}')(x)\ngetattr(a, 'b')\nglobals()[name]()"
    assert len(list(dispatch_by_text(sample(text)))) == 2
