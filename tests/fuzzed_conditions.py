"""CEL by a grammar: right, wrong, and right only for some contexts; and contexts of any JSON."""

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.just("home"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
"""What a value of a context may be; a Struct has no whole numbers."""
KEYS = ("a", "b", "surface", "while", "a b", "\u00e9", "")
CONTEXTS = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), JSON, max_size=5)
ATOMS = st.sampled_from(
    (
        *("context.a", "context.b", "context.surface", "context['a b']", "context", "context.a.b"),
        *("true", "false", "null", "1", "-1", "1u", "1.5", "9223372036854775807", "1e308", "''"),
        *("'home'", "b'x'", "[]", "{}", "[1, 'a']", "{'a': 1}", "home", "user.age", "'\u00e9'"),
        *("duration('1h')", "timestamp('2026-11-24T00:00:00Z')", "r'(a|b)*c'", "context.a[0]"),
    )
)
BINARY = ("&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in", "and", "=")
CALLS = ("size", "has", "int", "uint", "double", "string", "bytes", "bool", "type", "dyn", "lower")
METHODS = ("matches", "contains", "startsWith", "endsWith", "size", "getFullYear", "all", "map")


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones."""
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(" ".join),
        st.tuples(st.sampled_from(("!", "-", "not ")), inner).map("".join),
        inner.map("({})".format),
        st.tuples(st.sampled_from(CALLS), inner).map(lambda own: f"{own[0]}({own[1]})"),
        st.tuples(inner, st.sampled_from(METHODS), inner).map(
            lambda own: f"{own[0]}.{own[1]}({own[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda own: f"{own[0]} ? {own[1]} : {own[2]}"),
        st.tuples(inner, inner).map(lambda own: f"{own[0]}[{own[1]}]"),
        st.tuples(inner, inner).map(lambda own: f"[{own[0]}, {own[1]}]"),
    )


EXPRESSIONS = st.recursive(ATOMS, grown, max_leaves=12)
