//! `bit`: operations on the bits of 32-bit integers.

use mlua::{Lua, MultiValue, Table};

use super::Args;

/// Adding this to a number moves its lowest 32 bits, rounded, to the end of the sum's mantissa.
const MOVES_INTEGER_TO_END: f64 = 6_755_399_441_055_744.0;

type Unary = fn(u32) -> u32;
type Binary = fn(u32, u32) -> u32;

fn to_bits(number: f64) -> u32 {
    (number + MOVES_INTEGER_TO_END).to_bits() as u32
}

fn to_number(bits: u32) -> f64 {
    f64::from(bits.cast_signed())
}

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let unary: [(&'static str, Unary); 3] =
        [("tobit", |bits| bits), ("bnot", |bits| !bits), ("bswap", u32::swap_bytes)];
    for (name, operation) in unary {
        let function = move |lua: &Lua, values: MultiValue| {
            Ok(to_number(operation(to_bits(Args::new(lua, name, values).number(0)?))))
        };
        module.raw_set(name, lua.create_function(function)?)?;
    }
    let folding: [(&'static str, Binary); 3] =
        [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, operation) in folding {
        let function = move |lua: &Lua, values: MultiValue| {
            let args = Args::new(lua, name, values);
            let mut bits = to_bits(args.number(0)?);
            for at in 1..args.len() {
                bits = operation(bits, to_bits(args.number(at)?));
            }
            Ok(to_number(bits))
        };
        module.raw_set(name, lua.create_function(function)?)?;
    }
    let shifting: [(&'static str, Binary); 5] = [
        ("lshift", |bits, by| bits << by),
        ("rshift", |bits, by| bits >> by),
        ("arshift", |bits, by| (bits.cast_signed() >> by).cast_unsigned()),
        ("rol", u32::rotate_left),
        ("ror", u32::rotate_right),
    ];
    for (name, operation) in shifting {
        let function = move |lua: &Lua, values: MultiValue| {
            let args = Args::new(lua, name, values);
            let (bits, by) = (to_bits(args.number(0)?), to_bits(args.number(1)?));
            Ok(to_number(operation(bits, by & 31)))
        };
        module.raw_set(name, lua.create_function(function)?)?;
    }
    module.raw_set("tohex", lua.create_function(to_hex)?)?;
    Ok(module)
}

/// The last digits in hexadecimal, in capitals when their number is negative.
fn to_hex(lua: &Lua, values: MultiValue) -> mlua::Result<String> {
    let args = Args::new(lua, "tohex", values);
    let bits = to_bits(args.number(0)?);
    let digits = if args.is_given(1) { to_bits(args.number(1)?).cast_signed() } else { 8 };
    let text = if digits < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
    Ok(text[8 - digits.unsigned_abs().min(8) as usize..].to_owned())
}
