//! `cjson.decode`

use mlua::{Lua, Table, Value};

use super::json::{Settings, null};

/// However deep a script wants it: each level takes room on the stack.
const DEPTH_MAX: i64 = 4000;

/// The value that a text tells of: Lua's error, or what is wrong with the text.
pub(super) fn decode(lua: &Lua, text: &[u8], settings: &Settings) -> mlua::Result<Result<Value, String>> {
    if let [first, second, ..] = text
        && (*first == 0 || *second == 0)
    {
        return Ok(Err("JSON parser does not support UTF-16 or UTF-32".into()));
    }
    let mut decoder = Decoder { lua, text, at: 0, settings, depth: 0 };
    match decoder.document() {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Text(text)) => Ok(Err(text)),
        Err(Fault::Lua(error)) => Err(error),
    }
}

enum Fault {
    Text(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(what) => what,
        }
    }
}

struct Token {
    kind: Kind,
    at: usize,
}

fn unexpected(expected: &str, token: &Token) -> Fault {
    Fault::Text(format!("Expected {expected} but found {} at character {}", token.kind.name(), token.at + 1))
}

struct Decoder<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    settings: &'a Settings,
    depth: i64,
}

impl Decoder<'_> {
    fn document(&mut self) -> Result<Value, Fault> {
        let token = self.token();
        let value = self.value(token)?;
        let token = self.token();
        match token.kind {
            Kind::End => Ok(value),
            _ => Err(unexpected("the end", &token)),
        }
    }

    fn value(&mut self, token: Token) -> Result<Value, Fault> {
        Ok(match token.kind {
            Kind::String(text) => Value::String(self.lua.create_string(text)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(truth) => Value::Boolean(truth),
            Kind::Null => null(),
            Kind::ObjectBegin => Value::Table(self.object()?),
            Kind::ArrayBegin => Value::Table(self.array()?),
            _ => return Err(unexpected("value", &token)),
        })
    }

    fn descend(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth_max.min(DEPTH_MAX) {
            return Err(Fault::Text(format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.at
            )));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Table, Fault> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if !matches!(token.kind, Kind::ObjectEnd) {
            loop {
                let Kind::String(key) = &token.kind else {
                    return Err(unexpected("object key string", &token));
                };
                let key = self.lua.create_string(key)?;
                token = self.token();
                if !matches!(token.kind, Kind::Colon) {
                    return Err(unexpected("colon", &token));
                }
                let token_of_value = self.token();
                table.raw_set(key, self.value(token_of_value)?)?;
                token = self.token();
                match token.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(unexpected("comma or object end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn array(&mut self) -> Result<Table, Fault> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if !matches!(token.kind, Kind::ArrayEnd) {
            for index in 1.. {
                table.raw_set(index, self.value(token)?)?;
                token = self.token();
                match token.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(unexpected("comma or array end", &token)),
                }
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn token(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let mut at = self.at;
        let rest = &self.text[at..];
        let kind = match rest.first() {
            None | Some(0) => return Token { kind: Kind::End, at },
            Some(b'{') => Kind::ObjectBegin,
            Some(b'}') => Kind::ObjectEnd,
            Some(b'[') => Kind::ArrayBegin,
            Some(b']') => Kind::ArrayEnd,
            Some(b',') => Kind::Comma,
            Some(b':') => Kind::Colon,
            Some(b'"') => {
                self.at += 1;
                let kind = self.string();
                if matches!(kind, Kind::Error(_)) {
                    at = self.at;
                }
                return Token { kind, at };
            }
            Some(b'-' | b'0'..=b'9') => {
                if !self.settings.decodes_invalid && is_invalid_number(rest) {
                    return Token { kind: Kind::Error("invalid number"), at };
                }
                return Token { kind: self.number(), at };
            }
            _ => {
                let words = [
                    (&b"true"[..], Kind::Boolean(true)),
                    (b"false", Kind::Boolean(false)),
                    (b"null", Kind::Null),
                ];
                for (word, kind) in words {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return Token { kind, at };
                    }
                }
                let may_be_number = matches!(rest.first(), Some(b'+' | b'i' | b'I' | b'n' | b'N'));
                if may_be_number && self.settings.decodes_invalid && is_invalid_number(rest) {
                    return Token { kind: self.number(), at };
                }
                return Token { kind: Kind::Error("invalid token"), at };
            }
        };
        self.at += 1;
        Token { kind, at }
    }

    fn number(&mut self) -> Kind {
        match parse_c_number(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Kind::Number(number)
            }
            None => Kind::Error("invalid number"),
        }
    }

    /// The rest of a string behind its first quote.
    fn string(&mut self) -> Kind {
        let mut out = Vec::new();
        loop {
            let byte = match self.text.get(self.at) {
                None | Some(0) => return Kind::Error("unexpected end of string"),
                Some(b'"') => {
                    self.at += 1;
                    return Kind::String(out);
                }
                Some(b'\\') => match self.text.get(self.at + 1) {
                    Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
                    Some(b'b') => 0x08,
                    Some(b'f') => 0x0c,
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'u') => {
                        let Some((code, len)) = decode_escape(&self.text[self.at..]) else {
                            return Kind::Error("invalid unicode escape code");
                        };
                        out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                        self.at += len;
                        continue;
                    }
                    _ => return Kind::Error("invalid escape code"),
                },
                Some(byte) => {
                    out.push(*byte);
                    self.at += 1;
                    continue;
                }
            };
            out.push(byte);
            self.at += 2;
        }
    }
}

/// `\uXXXX`, or two of these that are a pair: the character, and the length.
fn decode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |text: &[u8]| {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        digits.iter().try_fold(0_u32, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    let first = unit(text)?;
    if let Some(code) = char::from_u32(first) {
        return Some((code, 6));
    }
    let second = unit(text.get(6..)?)?;
    let is_pair = first & 0xfc00 == 0xd800 && second & 0xfc00 == 0xdc00;
    let code = 0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff);
    if is_pair { char::from_u32(code).map(|code| (code, 12)) } else { None }
}

/// Whether a text begins with a number that C knows and JSON does not.
fn is_invalid_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    match text {
        [b'0', second, ..] => second | 0x20 == b'x' || second.is_ascii_digit(),
        _ => {
            let word = text.get(..3).unwrap_or_default();
            word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
        }
    }
}

/// The number at the front of a text, as C's strtod reads it, and its length.
fn parse_c_number(text: &[u8]) -> Option<(f64, usize)> {
    let (sign, signed) = match text.first() {
        Some(b'-') => (-1.0, 1),
        Some(b'+') => (1.0, 1),
        _ => (1.0, 0),
    };
    let rest = &text[signed..];
    let starts = |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts(b"infinity") {
        return Some((sign * f64::INFINITY, signed + 8));
    }
    if starts(b"inf") {
        return Some((sign * f64::INFINITY, signed + 3));
    }
    if starts(b"nan") {
        return Some((f64::NAN, signed + 3));
    }
    if starts(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let digits = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (number, len) = digits.fold((0.0, 0), |(number, len), digit| {
            (number * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or(0)), len + 1)
        });
        return Some((sign * number, signed + 2 + len));
    }
    let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    if rest.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return None;
    }
    if rest.get(len).is_some_and(|byte| byte | 0x20 == b'e') {
        let sign_len = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        let exponent = rest.get(len + 1 + sign_len..).map_or(0, |_| digits(len + 1 + sign_len));
        if exponent > 0 {
            len += 1 + sign_len + exponent;
        }
    }
    let number: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((sign * number, signed + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_reads_them() {
        for (text, expected) in [
            ("12]", Some((12.0, 2))),
            ("-1.5e3,", Some((-1500.0, 6))),
            ("1e", Some((1.0, 1))),
            ("1.x", Some((1.0, 2))),
            (".5", Some((0.5, 2))),
            ("0x1fg", Some((31.0, 4))),
            ("-inf", Some((f64::NEG_INFINITY, 4))),
            (".", None),
            ("-", None),
        ] {
            assert_eq!(parse_c_number(text.as_bytes()), expected, "{text}");
        }
    }
}
