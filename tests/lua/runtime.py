"""The edge's pure Lua modules inside Python (LuaJIT, as in nginx)."""

from typing import Any

from lupa.luajit21 import LuaRuntime, lua_type

from tests.servers import ROOT

lua = LuaRuntime(unpack_returned_tuples=True)
lua.execute(f'package.path = "{ROOT}/edge/lua/?.lua"')


def module(name: str) -> Any:
    """`require "cirrus.NAME"`."""
    return lua.eval(f'require "cirrus.{name}"')


def to_lua(value: Any) -> Any:
    """A JSON value as cjson would decode it."""
    if isinstance(value, dict):
        return lua.table_from({key: to_lua(item) for key, item in value.items()})
    if isinstance(value, list):
        return lua.table_from([to_lua(item) for item in value])
    return value


def to_python(value: Any) -> Any:
    """A Lua table as a dict, or as a list where its keys are 1 to n."""
    if lua_type(value) != "table":
        return value
    items = {key: to_python(item) for key, item in value.items()}
    return (
        [items[i] for i in range(1, len(items) + 1)] if set(items) == set(range(1, len(items) + 1)) else items
    )
