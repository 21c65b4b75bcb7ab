"""Random expressions over random JSON, for the property that both engines agree."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

LEAVES = {
    "int": ["0", "1", "2", "-1", "7", "9223372036854775807", "-9223372036854775808", "input.int", "loop.iteration"],
    "double": ["0.0", "1.0", "2.5", "-0.5", "1e3", "1e308", "9007199254740992.0", "input.double", "input.int"],
    "string": [
        '""',
        '"a"',
        '"ab"',
        '"1"',
        '"2.5"',
        '"true"',
        '"é😀"',
        '"(a+)+b"',
        '"1h30m"',
        "input.string",
        "input.list[0]",
    ],
    "bool": [
        "true",
        "false",
        "input.bool",
        "has(input.map.a)",
        "has(input.missing)",
        "has(item.a)",
        "has(input.int.a)",
    ],
    "list": ["[]", "[1, 2, 3]", "[1.0, 2]", '["a", 1, null]', "[[1], {}, true]", "input.list", "output", "item"],
    "map": ["{}", '{"a": 1}', '{"b": [1], "a": null}', "input.map", "input", 'ctx["n-1"].output', "item"],
    "time": [
        'timestamp("2024-02-29T12:30:00.5Z")',
        'timestamp("9999-12-31T23:59:59+00:00")',
        "timestamp(input.string)",
    ],
    "span": ['duration("1h30m")', 'duration("-90.25s")', 'duration("290000h")', "duration(input.string)"],
    "any": ["null", "input.any", "input.missing", "output.a", "output[1]", "item.b", "index", 'ctx["n-1"].output.a.b'],
}
KINDS = list(LEAVES)
FORMS = {
    kind: forms.split("; ")
    for kind, forms in {
        "int": (
            "<int> + <int>; <int> - <int>; <int> * <int>; <int> / <int>; <int> % <int>; -(<int>); "
            "int(<double>); int(<string>); int(<time>); size(<list>); size(<map>); size(<string>); <bool> ? "
            "<int> : <int>; (<list>)[<int>]; int(<any>); dyn(<int>); (<time>).getFullYear(); "
            "(<time>).getMonth(); (<time>).getDate(); (<time>).getDayOfMonth(); (<time>).getDayOfWeek(); "
            "(<time>).getDayOfYear(); (<time>).getHours(); (<time>).getMinutes(); (<time>).getSeconds(); "
            "(<time>).getMilliseconds(); (<span>).getHours(); (<span>).getMinutes(); (<span>).getSeconds(); "
            "(<span>).getMilliseconds()"
        ),
        "double": (
            "<double> + <int>; <int> - <double>; <double> * <double>; <double> / <double>; <int> / <double>; "
            "double(<string>); -(<double>); double(<int>); <double> % <int>; <double> / <int>"
        ),
        "string": (
            "<string> + <string>; string(<any>); string(<int>); string(<double>); string(<bool>); "
            'string(<time>); string(<span>); <bool> ? <string> : <string>; (<list>)[0]; (<map>)["a"]; '
            "(<map>).a"
        ),
        "bool": (
            "<any> == <any>; <any> != <any>; <int> < <double>; <int> <= <int>; <string> > <string>; <double> "
            ">= <double>; <any> < <any>; <bool> && <bool>; <bool> || <bool>; <bool> && <any>; <any> || "
            "<bool>; !(<bool>); <any> in <list>; <string> in <map>; <any> in <any>; "
            "(<string>).contains(<string>); (<string>).startsWith(<string>); (<string>).endsWith(<string>); "
            "(<string>).matches(<string>); type(<any>) == type(<any>); type(<int>) == int; <time> < <time>; "
            "<span> == <span>; has((<map>).a); has((<any>).b); bool(<string>); <list> == <list>; <map> == "
            "<map>; (<list>).all($, <bool>); (<list>).exists($, <bool>); <bool> > <bool>; "
            "(<list>).exists_one($, <bool>); (<map>).all($, <bool>); (<any>).exists($, <any>)"
        ),
        "list": (
            "<list> + <list>; [<any>, <any>]; (<list>).map($, <any>); (<list>).filter($, <bool>); "
            "(<map>).map($, <any>); (<list>).map($, <bool>, <any>); (<map>).filter($, <bool>); "
            "(<list>).filter($, <any>); (<any>).map($, <any>)"
        ),
        "map": '{"a": <any>, "b": <any>}; <bool> ? <map> : <map>; {<string>: <any>}; (<list>)[0]',
        "time": "<time> + <span>; <span> + <time>; <time> - <span>; timestamp(string(<time>)); timestamp(<int>)",
        "span": "<time> - <time>; <span> + <span>; <span> - <span>; duration(string(<span>))",
        "any": (
            "(<any>).a; (<any>)[<any>]; <any> + <any>; <any> - <any>; <any> * <any>; dyn(<any>); type(<any>); "
            "<bool> ? <any> : <any>"
        ),
    }.items()
}
"""How an expression of a kind can be put together; `<kind>` stands for an expression, `$` for a new variable."""

_integers = st.one_of(st.integers(-3, 3), st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**30]))
_decimals = st.sampled_from([0.0, -0.0, 1.0, 2.5, 0.1, -3.75, 9007199254740992.0, 9.223372036854775807e18, 1e308])
_texts = st.sampled_from(["", "a", "b", "ab", "1", "2.5", "é", "😀", "2024-02-29T12:30:00.5Z", "-90s", "(", "\ud800"])
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), _integers, _decimals, _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["b", "a", "c-d", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_inputs = st.fixed_dictionaries(
    {"int": _integers, "double": _decimals, "string": _texts, "bool": st.booleans(), "any": _json},
    optional={
        "list": st.lists(_json, max_size=4),
        "map": st.dictionaries(st.sampled_from(["b", "a", "z"]), _json, max_size=3),
    },
)
_nodes = st.fixed_dictionaries({}, optional={"n-1": st.fixed_dictionaries({"output": _json})})
bindings: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"input": _inputs, "output": _json, "ctx": _nodes},
    optional={"loop": st.fixed_dictionaries({"iteration": st.integers(1, 3)}), "item": _json, "index": st.just(0)},
)
"""The variables of a run; some of them are not there."""


@st.composite
def expressions(draw: st.DrawFn, kind: str | None = None, depth: int = 4, bound: int = 0) -> str:
    """The text of an expression, mostly of one that has a value."""
    kind = kind if kind and draw(st.integers(0, 9)) else draw(st.sampled_from(KINDS))
    if depth == 0 or not draw(st.integers(0, 4)):
        return draw(st.sampled_from([*LEAVES[kind], *(f"x{number}" for number in range(bound))]))
    parts = []
    for part in re.split(r"(<\w+>|\$)", draw(st.sampled_from(FORMS[kind]))):
        if part == "$":
            parts.append(f"x{bound}")
            bound += 1
        elif part.startswith("<") and part.endswith(">"):
            parts.append(f"({draw(expressions(part[1:-1], depth - 1, bound))})")
        else:
            parts.append(part)
    return "".join(parts)
