//! LZF, the compression that Redis uses for long strings; only read.
//!
//! Compressed data is a sequence of runs of literal bytes and of references to what came out before. There is a crate for it (`lzf`),
//! but its authors have given it up, and it allocates what the data claims to come to; the whole of it is the loop below.

use super::error::RdbError;

const FAULT: RdbError = RdbError::Format("compressed data that is corrupt");

/// Decompresses data that comes to `len` bytes.
///
/// # Errors
/// When it does not, or refers to what is not there.
pub(super) fn decompress(data: &[u8], len: usize) -> Result<Vec<u8>, RdbError> {
    // What is claimed is believed only as far as a vector grows by itself.
    let mut out = Vec::with_capacity(len.min(data.len()));
    let mut rest = data;
    while let Some((&control, behind)) = rest.split_first() {
        rest = behind;
        if control < 32 {
            let (literals, behind) = rest.split_at_checked(usize::from(control) + 1).ok_or(FAULT)?;
            if out.len() + literals.len() > len {
                return Err(FAULT);
            }
            out.extend_from_slice(literals);
            rest = behind;
            continue;
        }
        let mut next = || {
            let (&byte, behind) = rest.split_first().ok_or(FAULT)?;
            rest = behind;
            Ok(usize::from(byte))
        };
        let run = match control >> 5 {
            7 => 7 + next()?,
            short => usize::from(short),
        } + 2;
        let distance = (usize::from(control & 0x1f) << 8 | next()?) + 1;
        let start = out.len().checked_sub(distance).ok_or(FAULT)?;
        if out.len() + run > len {
            return Err(FAULT);
        }
        if distance >= run {
            out.extend_from_within(start..start + run);
        } else {
            // The run overlaps what it makes.
            for at in start..start + run {
                out.push(out[at]);
            }
        }
    }
    if out.len() == len { Ok(out) } else { Err(FAULT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_compressed() {
        // DUMP of 21 `x` from redis-server 7.0, and of `abcdefgh` four times.
        assert_eq!(decompress(b"\x01xx\xe0\x0a\x00", 21).as_deref(), Ok(&[b'x'; 21][..]));
        let text = "abcdefgh".repeat(4);
        assert_eq!(decompress(b"\x07abcdefgh\xe0\x0d\x07\x01gh", 32).as_deref(), Ok(text.as_bytes()));
    }

    #[test]
    fn corrupt_data() {
        for (data, len) in [
            (&b"\x01x"[..], 2),
            (b"\x00x", 2),
            (b"\x01xx", 1),
            (b"\x20\x00", 3),
            (b"\x00x\x20", 4),
            (b"\x00x\x20\x01", 4),
            (b"\x00x\xe0", 4),
            (b"\x00x\xe0\xff\x00", 10),
            (b"", usize::MAX),
        ] {
            assert_eq!(decompress(data, len), Err(FAULT), "{data:?}");
        }
    }
}
