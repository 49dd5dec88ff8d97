//! `struct`: values as bytes in the layouts of C.

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::Args;

/// The largest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// What `!` alone aligns to.
const ALIGNMENT_DEFAULT: usize = 8;

/// Walks over a format.
struct Format<'a> {
    rest: &'a [u8],
    big_endian: bool,
    alignment: usize,
}

/// One option of a format.
struct Item {
    option: u8,
    size: usize,
    /// Zero bytes before it.
    padding: usize,
}

impl Format<'_> {
    fn new(rest: &[u8]) -> Format<'_> {
        Format { rest, big_endian: cfg!(target_endian = "big"), alignment: 1 }
    }

    fn number(&mut self, args: &Args<'_>, default: usize) -> Result<usize, Error> {
        if !self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut number = 0_usize;
        while let Some((digit, rest)) = self.rest.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
            number = number * 10 + usize::from(digit - b'0');
            if number > i32::MAX as usize {
                return Err(args.complain("integral size overflow"));
            }
            self.rest = rest;
        }
        Ok(number)
    }

    /// The next option that stands for bytes, those before it that change the layout done; `position`: how many bytes there are.
    fn next(&mut self, args: &Args<'_>, position: usize) -> Result<Option<Item>, Error> {
        while let Some((&option, rest)) = self.rest.split_first() {
            self.rest = rest;
            let size = match option {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'f' => 4,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'c' => self.number(args, 1)?,
                b'i' | b'I' => {
                    let size = self.number(args, 4)?;
                    if size > INTEGER_BYTES_MAX {
                        let limit = INTEGER_BYTES_MAX;
                        let text = format_args!("integral size {size} is larger than limit of {limit}");
                        return Err(args.complain(text));
                    }
                    size
                }
                b's' => 0,
                b' ' => continue,
                b'<' | b'>' => {
                    self.big_endian = option == b'>';
                    continue;
                }
                b'!' => {
                    let alignment = self.number(args, ALIGNMENT_DEFAULT)?;
                    if !alignment.is_power_of_two() {
                        return Err(args.complain(format_args!("alignment {alignment} is not a power of 2")));
                    }
                    self.alignment = alignment;
                    continue;
                }
                _ => {
                    let text = format!("invalid format option '{}'", char::from(option));
                    return Err(args.wrong(1, text));
                }
            };
            let padding = match size {
                0 => 0,
                _ if option == b'c' => 0,
                _ => {
                    let unit = size.min(self.alignment);
                    unit.wrapping_sub(position & unit.wrapping_sub(1)) & unit.wrapping_sub(1)
                }
            };
            return Ok(Some(Item { option, size, padding }));
        }
        Ok(None)
    }
}

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.raw_set("pack", lua.create_function(pack)?)?;
    module.raw_set("unpack", lua.create_function(unpack)?)?;
    module.raw_set("size", lua.create_function(size)?)?;
    Ok(module)
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<mlua::LuaString> {
    let args = Args::new(lua, "pack", values);
    let text = args.text(0)?;
    let mut format = Format::new(&text);
    let (mut out, mut at) = (Vec::new(), 1);
    while let Some(item) = format.next(&args, out.len())? {
        out.resize(out.len() + item.padding, 0);
        match item.option {
            b'x' => out.push(0),
            b'f' => push(&mut out, &(args.number(at)? as f32).to_le_bytes(), format.big_endian),
            b'd' => push(&mut out, &args.number(at)?.to_le_bytes(), format.big_endian),
            b'c' | b's' => {
                let string = args.text(at)?;
                let len = if item.size == 0 { string.len() } else { item.size };
                let bytes = string.get(..len).ok_or_else(|| args.wrong(at + 1, "string too short"))?;
                out.extend_from_slice(bytes);
                if item.option == b's' {
                    out.push(0);
                }
            }
            _ => {
                let number = args.number(at)?;
                let bits = if number < 0.0 { (number as i64).cast_unsigned() } else { number as u64 };
                // Only what is larger than eight bytes has bytes beyond them: zeros, as Redis's.
                let mut bytes = [0; INTEGER_BYTES_MAX];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                push(&mut out, &bytes[..item.size], format.big_endian);
            }
        }
        at += usize::from(item.option != b'x');
    }
    lua.create_string(&out)
}

/// Appends bytes of which the lowest comes first.
fn push(out: &mut Vec<u8>, bytes: &[u8], big_endian: bool) {
    if big_endian { out.extend(bytes.iter().rev()) } else { out.extend_from_slice(bytes) }
}

/// Bytes with the lowest first, as a number.
fn integer(bytes: impl Iterator<Item = u8>, size: usize, is_signed: bool) -> f64 {
    let bits = bytes.take(8).enumerate().fold(0_u64, |bits, (at, byte)| bits | u64::from(byte) << (8 * at));
    if !is_signed {
        return bits as f64;
    }
    let unused = 64 - 8 * size.clamp(1, 8) as u32;
    ((bits << unused).cast_signed() >> unused) as f64
}

fn unpack(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    let args = Args::new(lua, "unpack", values);
    let (text, data) = (args.text(0)?, args.text(1)?);
    let start = args.integer_or(2, 1)?;
    let start = usize::try_from(start).ok().and_then(|start| start.checked_sub(1));
    let mut position = start.ok_or_else(|| args.wrong(3, "offset must be 1 or greater"))?;
    let too_short = || args.wrong(2, "data string too short");
    let mut format = Format::new(&text);
    let mut results: Vec<Value> = Vec::new();
    while let Some(item) = format.next(&args, position)? {
        position = position.saturating_add(item.padding);
        let rest = data.get(position..).ok_or_else(too_short)?;
        let bytes = rest.get(..item.size).ok_or_else(too_short)?;
        position += item.size;
        match item.option {
            b'x' => {}
            b'c' if item.size == 0 => {
                let len = match results.pop() {
                    Some(Value::Number(len)) if len >= 0.0 => len as usize,
                    _ => return Err(args.complain("format 'c0' needs a previous size")),
                };
                results.push(Value::String(lua.create_string(rest.get(..len).ok_or_else(too_short)?)?));
                position += len;
            }
            b'c' => results.push(Value::String(lua.create_string(bytes)?)),
            b's' => {
                let len = rest.iter().position(|byte| *byte == 0);
                let len = len.ok_or_else(|| args.complain("unfinished string in data"))?;
                results.push(Value::String(lua.create_string(&rest[..len])?));
                position += len + 1;
            }
            option => {
                let mut low_first = [0; INTEGER_BYTES_MAX];
                let low_first = &mut low_first[..item.size];
                low_first.copy_from_slice(bytes);
                if format.big_endian {
                    low_first.reverse();
                }
                results.push(Value::Number(match (option, &*low_first) {
                    (b'f', &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
                    (b'd', &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
                    _ => integer(low_first.iter().copied(), item.size, option.is_ascii_lowercase()),
                }));
            }
        }
    }
    results.push(Value::Number((position + 1) as f64));
    Ok(results.into())
}

fn size(lua: &Lua, values: MultiValue) -> mlua::Result<f64> {
    let args = Args::new(lua, "size", values);
    let text = args.text(0)?;
    let mut format = Format::new(&text);
    let mut position = 0_usize;
    while let Some(item) = format.next(&args, position)? {
        if item.option == b's' || (item.option == b'c' && item.size == 0) {
            let name = if item.option == b's' { "s" } else { "c0" };
            return Err(args.wrong(1, format_args!("option '{name}' has no fixed size")));
        }
        position = position.saturating_add(item.padding).saturating_add(item.size);
    }
    Ok(position as f64)
}
