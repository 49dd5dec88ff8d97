//! The modules that scripts find beside Lua's own.

mod arguments;
mod bit;
mod json;
mod json_decode;
mod json_encode;
mod msgpack;
mod structs;

use mlua::{Lua, Table};

use arguments::Args;

/// All of them, by name.
pub(super) fn all(lua: &Lua) -> mlua::Result<Table> {
    let modules = lua.create_table()?;
    modules.raw_set("bit", bit::module(lua)?)?;
    modules.raw_set("cjson", json::module(lua)?)?;
    modules.raw_set("cmsgpack", msgpack::module(lua)?)?;
    modules.raw_set("struct", structs::module(lua)?)?;
    Ok(modules)
}
