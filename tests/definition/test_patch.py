"""JSON Patch on definitions: RFC 6902 to the letter, and ids beside indexes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.definition import apply_patch
from pointsman.definition.limits import MAX_VALUES

WORKFLOW: dict[str, Any] = {
    "name": "order",
    "nodes": [
        {"id": "score", "type": "agent", "config": {"model": "small", "tags": ["a", "b"]}},
        {"id": "gate", "type": "conditional"},
        {"id": "notify", "type": "function", "config": {"to": "x"}},
    ],
    "edges": [
        {"from": "score", "to": "gate"},
        {"from": "gate", "to": "notify", "when": "output.x > 1"},
        {"from": "gate", "to": "notify", "id": "always"},
    ],
}


def patched(*operations: dict[str, Any], document: dict[str, Any] = WORKFLOW) -> dict[str, Any]:
    """The document after a patch, which must not have touched the original."""
    before = deepcopy(document)
    after = apply_patch(document, operations)
    assert document == before
    return after


def refusal(*operations: Any, document: dict[str, Any] = WORKFLOW) -> str:
    """What a refused patch is told, with where in the patch it points; the document must be as it was."""
    before = deepcopy(document)
    with pytest.raises(EditRefused) as refused:
        apply_patch(document, operations)
    assert document == before
    [problem] = refused.value.problems
    assert refused.value.code == problem.code
    return f"{problem.pointer} {refused.value}".removesuffix(" The patch was refused; nothing changed.")


# -- ids


def test_nodes_and_edges_are_found_by_id() -> None:
    # Given an operation of each kind, all by id, one edge known only by its ends and one by its own id
    after = patched(
        {"op": "test", "path": "/nodes/score/config/model", "value": "small"},
        {"op": "replace", "path": "/nodes/score/config/model", "value": "large"},
        {"op": "add", "path": "/nodes/notify/config/cc", "value": "y"},
        {"op": "remove", "path": "/edges/gate->notify/when"},
        {"op": "copy", "from": "/nodes/notify/config", "path": "/nodes/gate/metadata"},
        {"op": "move", "from": "/nodes/score/config/tags", "path": "/edges/always/tags"},
    )
    assert after == {
        "name": "order",
        "nodes": [
            {"id": "score", "type": "agent", "config": {"model": "large"}},
            {"id": "gate", "type": "conditional", "metadata": {"to": "x", "cc": "y"}},
            {"id": "notify", "type": "function", "config": {"to": "x", "cc": "y"}},
        ],
        "edges": [
            {"from": "score", "to": "gate"},
            {"from": "gate", "to": "notify"},
            {"from": "gate", "to": "notify", "id": "always", "tags": ["a", "b"]},
        ],
    }


def test_an_id_is_looked_up_as_earlier_operations_left_it() -> None:
    # Given operations that add a node, rename one, and then speak of both
    after = patched(
        {"op": "add", "path": "/nodes/0", "value": {"id": "first", "type": "f"}},
        {"op": "replace", "path": "/nodes/gate/id", "value": "door"},
        {"op": "replace", "path": "/nodes/first/type", "value": "g"},
        {"op": "replace", "path": "/nodes/door/type", "value": "join"},
    )
    assert [(node["id"], node["type"]) for node in after["nodes"]] == [
        ("first", "g"),
        ("score", "agent"),
        ("door", "join"),
        ("notify", "function"),
    ]


def test_adding_and_moving_to_an_id_puts_before_it() -> None:
    # Given a node added at the place of another, and one moved there: an id counts once the moved one is gone
    added = patched({"op": "add", "path": "/nodes/gate", "value": {"id": "new", "type": "f"}})
    moved = patched({"op": "move", "from": "/nodes/score", "path": "/nodes/notify"})
    back = patched({"op": "move", "from": "/nodes/notify", "path": "/nodes/score"})
    assert [node["id"] for node in added["nodes"]] == ["score", "new", "gate", "notify"]
    assert [node["id"] for node in moved["nodes"]] == ["gate", "score", "notify"]
    assert [node["id"] for node in back["nodes"]] == ["notify", "score", "gate"]


def test_indexes_and_the_end_of_a_list_mean_what_the_rfc_says() -> None:
    after = patched(
        {"op": "add", "path": "/nodes/-", "value": {"id": "7", "type": "f"}},
        {"op": "move", "from": "/nodes/0", "path": "/nodes/2"},
        {"op": "remove", "path": "/nodes/3"},
    )
    assert [node["id"] for node in after["nodes"]] == ["gate", "notify", "score"]


@pytest.mark.parametrize("place", ["-", "0"])
def test_a_definition_without_edges_takes_its_first_one(place: str) -> None:
    # Given a definition that leaves `edges` out, as those of one node do
    alone: dict[str, Any] = {"nodes": [{"id": "a", "type": "function"}, {"id": "b", "type": "function"}]}
    way = {"from": "a", "to": "b"}
    # When an edge is added
    after = apply_patch(alone, [{"op": "add", "path": f"/edges/{place}", "value": way}])
    # Then it is the first, and the definition given was left alone
    assert after == {**alone, "edges": [way]}
    assert "edges" not in alone
    # And what takes edges to be there already is refused as ever
    for operation in ({"op": "remove", "path": "/edges/0"}, {"op": "test", "path": "/edges", "value": []}):
        with pytest.raises(EditRefused):
            apply_patch(alone, [operation])


def test_moving_something_to_where_it_is_changes_nothing() -> None:
    # Given the same place spelled by id and by index
    assert patched({"op": "move", "from": "/nodes/gate", "path": "/nodes/1"}) == WORKFLOW
    assert patched({"op": "move", "from": "/nodes/1", "path": "/nodes/gate"}) == WORKFLOW


def test_what_a_patch_does_not_touch_is_shared_with_the_original() -> None:
    after = patched({"op": "replace", "path": "/nodes/gate/type", "value": "join"})
    assert after["edges"] is WORKFLOW["edges"]
    assert after["nodes"][0] is WORKFLOW["nodes"][0]
    assert after["nodes"][1] is not WORKFLOW["nodes"][1]


# -- refusals

VERBS = "the operations are `add`, `remove`, `replace`, `move`, `copy`, `test`."


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("remove", '/0 EDT001 operation 0: an operation is an object, not "remove".'),
        (
            {"op": "delete", "path": "/nodes/0"},
            f'/0/op EDT002 operation 0: `op` is "delete"; {VERBS}',
        ),
        ({"path": "/nodes/0"}, f"/0/op EDT002 operation 0: `op` is null; {VERBS}"),
        ({"op": "remove"}, "/0 EDT003 operation 0: `remove` needs a `path`, and this operation has none."),
        ({"op": "add", "path": "/x"}, "/0 EDT003 operation 0: `add` needs a `value`, and this operation has none."),
        ({"op": "move", "path": "/x"}, "/0 EDT003 operation 0: `move` needs a `from`, and this operation has none."),
        ({"op": "remove", "path": 5}, "/0/path EDT003 operation 0: `path` is a JSON Pointer as text, not 5."),
        (
            {"op": "remove", "path": "nodes"},
            "/0/path EDT004 operation 0, `remove nodes`: `nodes` is no JSON Pointer: it begins with `/`, and `~` "
            "stands only in `~0`, `~1`.",
        ),
        (
            {"op": "copy", "from": "/a~2", "path": "/x"},
            "/0/from EDT004 operation 0, `copy /x`: `/a~2` is no JSON Pointer: it begins with `/`, and `~` stands "
            "only in `~0`, `~1`.",
        ),
        (
            {"op": "remove", "path": "/nodes/scoer"},
            "/0/path EDT005 operation 0, `remove /nodes/scoer`: no item of `/nodes` has the id `scoer`. Did you mean "
            "`score`?",
        ),
        (
            {"op": "add", "path": "/edges/a->b", "value": {}},
            "/0/path EDT005 operation 0, `add /edges/a->b`: no item of `/edges` has the id `a->b`.",
        ),
        (
            {"op": "replace", "path": "/nodes/score/confg", "value": 1},
            "/0/path EDT005 operation 0, `replace /nodes/score/confg`: `/nodes/0` has no member `confg`. Did you mean "
            "`config`?",
        ),
        (
            {"op": "add", "path": "/nodes/gate/config/to", "value": 1},
            "/0/path EDT005 operation 0, `add /nodes/gate/config/to`: `/nodes/1` has no member `config`.",
        ),
        (
            {"op": "add", "path": "/name/first", "value": 1},
            '/0/path EDT005 operation 0, `add /name/first`: `/name` is "order", and nothing is inside it.',
        ),
        (
            {"op": "move", "from": "/nodes/score/x", "path": "/x"},
            "/0/from EDT005 operation 0, `move /x`: `/nodes/0` has no member `x`.",
        ),
        (
            {"op": "test", "path": "/version", "value": 1},
            "/0/path EDT005 operation 0, `test /version`: `/` has no member `version`.",
        ),
        (
            {"op": "add", "path": "/nodes/4", "value": {}},
            "/0/path EDT006 operation 0, `add /nodes/4`: `/nodes` is a list of 3, and `4` is no index that can be used "
            "here.",
        ),
        (
            {"op": "remove", "path": "/nodes/-"},
            "/0/path EDT006 operation 0, `remove /nodes/-`: `/nodes` is a list of 3, and `-` is no index that can be "
            "used here.",
        ),
        (
            {"op": "replace", "path": "/nodes/score/config/tags/01", "value": 1},
            "/0/path EDT006 operation 0, `replace /nodes/score/config/tags/01`: `/nodes/0/config/tags` is a list of 2, "
            "and `01` is no index that can be used here.",
        ),
        (
            {"op": "copy", "from": "/edges/-", "path": "/x"},
            "/0/from EDT006 operation 0, `copy /x`: `/edges` is a list of 3, and `-` is no index that can be used "
            "here.",
        ),
        (
            {"op": "test", "path": "/nodes/score/config/tags", "value": ["a"]},
            "/0/path EDT007 operation 0, `test /nodes/score/config/tags`: the value there is [\"a\", "
            '"b"], not ["a"].',
        ),
        (
            {"op": "move", "from": "/nodes/score", "path": "/nodes/0/config"},
            "/0/path EDT008 operation 0, `move /nodes/0/config`: `/nodes/score` cannot be moved into itself.",
        ),
        (
            {"op": "move", "from": "", "path": "/x"},
            "/0/path EDT008 operation 0, `move /x`: `\"\"` cannot be moved into itself.",
        ),
        (
            {"op": "remove", "path": ""},
            '/0/path EDT010 operation 0, `remove ""`: the whole document cannot be removed.',
        ),
        (
            {"op": "replace", "path": "", "value": []},
            '/0/path EDT010 operation 0, `replace ""`: the document cannot become anything but an object.',
        ),
        (
            {"op": "move", "from": "/nodes", "path": ""},
            '/0/path EDT010 operation 0, `move ""`: the document cannot become anything but an object.',
        ),
    ],
)  # fmt: skip
def test_an_operation_that_cannot_be_carried_out_is_refused(operation: Any, told: str) -> None:
    assert refusal(operation) == told


def test_a_refused_operation_undoes_those_before_it() -> None:
    # Given two operations that can be carried out and one that cannot
    told = refusal(
        {"op": "replace", "path": "/nodes/score/config/model", "value": "large"},
        {"op": "remove", "path": "/nodes/gate"},
        {"op": "remove", "path": "/nodes/gate"},
    )
    # Then the message names the third, and the document is as it was
    assert told == "/2/path EDT005 operation 2, `remove /nodes/gate`: no item of `/nodes` has the id `gate`."


def test_an_id_that_two_items_share_is_refused() -> None:
    assert refusal({"op": "remove", "path": "/edges/a->b"}, document={"edges": [{"from": "a", "to": "b"}] * 2}) == (
        "/0/path EDT009 operation 0, `remove /edges/a->b`: `a->b` is the id of `/edges/0` and `/edges/1`; say which by "
        "its index."
    )


def test_a_patch_that_is_no_list_is_refused() -> None:
    for patch in ({"op": "remove", "path": "/nodes/0"}, "[]", 5):
        with pytest.raises(EditRefused) as refused:
            apply_patch(WORKFLOW, patch)  # type: ignore[arg-type]
        assert str(refused.value) == ("EDT001 a patch is a list of operations. The patch was refused; nothing changed.")


def test_a_patch_that_multiplies_the_document_is_refused() -> None:
    # Given copies of a list into itself, each doubling it
    doubling = [{"op": "copy", "from": "/nodes", "path": "/nodes/-"}] * 40
    assert refusal(*doubling, document={"nodes": [0] * 100}) == (
        f"/12/path EDT011 operation 12, `copy /nodes/-`: the document would hold more than {MAX_VALUES:,} values."
    )
    # And copies that only nest
    nesting = [{"op": "copy", "from": "", "path": "/x"}] * 2_000
    assert "EDT011" in refusal(*nesting, document={"x": 0})


# -- against the library it is built on

KEYS = st.sampled_from(["a", "b", "nodes", "", "~", "/", "0"])
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers(0, 2), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_size=3,
)
POINTERS = st.lists(KEYS | st.sampled_from(["1", "-", "01"]), max_size=3).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)
OPERATIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": POINTERS,
        "from": POINTERS,
        "value": st.integers(0, 2) | st.just([]) | st.just({}),
    }
)


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS, st.lists(OPERATIONS, max_size=4))
def test_without_ids_it_does_what_the_library_does(document: dict[str, Any], patch: list[dict[str, Any]]) -> None:
    # Given any document and any patch whose segments are never taken for ids
    before = deepcopy(document)
    # When the library applies it, and we do
    try:
        expected = jsonpatch.apply_patch(document, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        expected = "refused"
    try:
        result: Any = apply_patch(document, patch)
    except EditRefused as refused:
        result = "no object" if refused.code == "EDT010" else "refused"
    # Then the outcome is the same, but that ours is an object at every step
    assert result in (expected, "no object")
    assert document == before


# RFC 6902, appendix A, those examples that are about objects
RFC = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ({"foo": ["a", 2, "c"]}, [{"op": "test", "path": "/foo/1", "value": 2}], {"foo": ["a", 2, "c"]}),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}], {"foo": ["bar", ["abc", "def"]]}),
    ({"foo": None}, [{"op": "test", "path": "/foo", "value": None}], {"foo": None}),
    ({"foo": {}}, [{"op": "add", "path": "", "value": {"a": 1}}], {"a": 1}),
]


@pytest.mark.parametrize(("document", "patch", "expected"), RFC)
def test_the_examples_of_the_rfc_come_out_as_printed(
    document: dict[str, Any], patch: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    assert patched(*patch, document=document) == expected


@pytest.mark.parametrize(
    ("value", "other"), [(1, True), (0, False), ("10", 10), ([1], [True]), ({"a": 1}, {"a": 1, "b": 2}), (None, False)]
)
def test_values_that_only_python_calls_equal_are_not(value: Any, other: Any) -> None:
    assert "EDT007" in refusal({"op": "test", "path": "/x", "value": other}, document={"x": value})
    assert patched({"op": "test", "path": "/x", "value": 1.0}, document={"x": 1}) == {"x": 1}
