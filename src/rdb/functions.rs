//! Libraries of functions as FUNCTION DUMP returns and FUNCTION RESTORE takes them: each with its opcode before it, and a payload's
//! footer behind all.

use super::error::RdbError;
use super::file::FUNCTION_OPCODE;
use super::payload::{seal, unseal};
use super::reader::Reader;
use super::writer;

/// The version that is written: Redis 7.0's.
const VERSION: u16 = 10;

/// The payload of libraries, given by their texts.
pub fn encode_functions<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION_OPCODE);
        writer::push_string(&mut out, code);
    }
    seal(0, VERSION, &mut out);
    out
}

/// The texts of the libraries in a payload. What is compressed in it may come to strings of `string_bytes_max` bytes at most.
///
/// # Errors
/// That its footer is wrong, or what is wrong with its content.
pub fn decode_functions(payload: &[u8], string_bytes_max: usize) -> Result<Vec<Vec<u8>>, RdbError> {
    let (body, _) = unseal(payload)?;
    let mut reader = Reader::new(body, string_bytes_max);
    let mut codes = Vec::new();
    while !reader.is_at_end() {
        if reader.byte()? != FUNCTION_OPCODE {
            return Err(RdbError::Format("given type is not a function"));
        }
        let failed = |_| RdbError::Format("failed loading the given functions payload");
        codes.push(reader.string().map_err(failed)?.into_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back() {
        let codes = [&b"#!lua name=a\nx"[..], b"", b"12", &[0xff; 20_000]];
        let payload = encode_functions(codes.into_iter());
        assert_eq!(decode_functions(&payload, 1 << 20).unwrap(), codes);
        for len in 0..payload.len() {
            assert_eq!(decode_functions(&payload[..len], 1 << 20), Err(RdbError::Footer));
        }
        let mut other = vec![0, 1, b'x'];
        seal(0, VERSION, &mut other);
        assert_eq!(decode_functions(&other, 100), Err(RdbError::Format("given type is not a function")));
        let mut cut = vec![FUNCTION_OPCODE, 10, b'x'];
        seal(0, VERSION, &mut cut);
        let expected = RdbError::Format("failed loading the given functions payload");
        assert_eq!(decode_functions(&cut, 100), Err(expected));
    }
}
