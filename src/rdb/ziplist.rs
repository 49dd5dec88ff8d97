//! Ziplists: the packed lists of Redis up to 6.2; only read.
//!
//! Ten bytes of head (the size in bytes, where the last element begins, the number of elements; the lowest byte first), the elements,
//! `0xff`. Each element begins with the size of the one before.

use super::error::RdbError;

const HEAD_BYTES: usize = 10;
const END: u8 = 0xff;
/// The number of elements when it does not fit into the head.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// What stands before a size that does not fit into a byte.
const LARGE: u8 = 0xfe;

const FAULT: RdbError = RdbError::Format("a ziplist that is corrupt");

/// Calls `visit` with the text of each element, and checks all on the way.
pub(super) fn visit(data: &[u8], mut visit: impl FnMut(&[u8])) -> Result<(), RdbError> {
    let (head, mut rest) = data.split_first_chunk::<HEAD_BYTES>().ok_or(FAULT)?;
    let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let count = u16::from_le_bytes([head[8], head[9]]);
    if size as usize != data.len() {
        return Err(FAULT);
    }
    let (mut seen, mut size_before) = (0_u64, 0);
    while rest != [END] {
        let start = rest.len();
        if read_size_before(&mut rest)? != size_before {
            return Err(FAULT);
        }
        match read_element(&mut rest)? {
            Element::Text(text) => visit(text),
            Element::Integer(value) => visit(itoa::Buffer::new().format(value).as_bytes()),
        }
        size_before = start - rest.len();
        seen += 1;
    }
    if count == COUNT_UNKNOWN || u64::from(count) == seen { Ok(()) } else { Err(FAULT) }
}

enum Element<'a> {
    Text(&'a [u8]),
    Integer(i64),
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], RdbError> {
    let (bytes, behind) = rest.split_at_checked(len).ok_or(FAULT)?;
    *rest = behind;
    Ok(bytes)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RdbError> {
    let (bytes, behind) = rest.split_first_chunk().ok_or(FAULT)?;
    *rest = behind;
    Ok(*bytes)
}

fn read_size_before(rest: &mut &[u8]) -> Result<usize, RdbError> {
    match take_array(rest)? {
        [LARGE] => Ok(u32::from_le_bytes(take_array(rest)?) as usize),
        [END] => Err(FAULT),
        [size] => Ok(usize::from(size)),
    }
}

fn read_element<'a>(rest: &mut &'a [u8]) -> Result<Element<'a>, RdbError> {
    let [head] = take_array(rest)?;
    let low = usize::from(head & 0x3f);
    let text_len = match head >> 6 {
        0 => low,
        1 => low << 8 | usize::from(take_array::<1>(rest)?[0]),
        2 if head == 0x80 => u32::from_be_bytes(take_array(rest)?) as usize,
        2 => return Err(FAULT),
        _ => {
            return Ok(Element::Integer(match head {
                0xc0 => i16::from_le_bytes(take_array(rest)?).into(),
                0xd0 => i32::from_le_bytes(take_array(rest)?).into(),
                0xe0 => i64::from_le_bytes(take_array(rest)?),
                0xf0 => {
                    let [low, middle, high] = take_array(rest)?;
                    i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)
                }
                0xfe => i8::from_le_bytes(take_array(rest)?).into(),
                0xf1..=0xfd => i64::from(head & 0x0f) - 1,
                _ => return Err(FAULT),
            }));
        }
    };
    Ok(Element::Text(take(rest, text_len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> Result<Vec<String>, RdbError> {
        let mut texts = Vec::new();
        visit(data, |text| texts.push(String::from_utf8_lossy(text).into_owned()))?;
        Ok(texts)
    }

    /// A ziplist of elements in their encodings, each behind the size of the one before.
    fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        let mut size_before = 0;
        for element in elements {
            let start = body.len();
            if size_before < 254 {
                body.push(size_before as u8);
            } else {
                body.push(LARGE);
                body.extend_from_slice(&(size_before as u32).to_le_bytes());
            }
            body.extend_from_slice(element);
            size_before = body.len() - start;
        }
        body.push(END);
        let mut data = ((HEAD_BYTES + body.len()) as u32).to_le_bytes().to_vec();
        data.extend_from_slice(&[0; 4]);
        data.extend_from_slice(&(elements.len() as u16).to_le_bytes());
        data.extend_from_slice(&body);
        data
    }

    #[test]
    fn elements() {
        let long = [&[0x41, 0x2c][..], &[b'y'; 300]].concat();
        let elements: [&[u8]; 10] = [
            b"\x01a",
            b"\xf1",
            b"\xfd",
            b"\xfe\xff",
            b"\xc0\x00\x80",
            b"\xf0\xff\xff\x7f",
            b"\xd0\x00\x00\x00\x80",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            &long,
            b"\x80\0\0\0\x02bc",
        ];
        let expected = [
            "a",
            "0",
            "12",
            "-1",
            "-32768",
            "8388607",
            "-2147483648",
            "9223372036854775807",
            &"y".repeat(300),
            "bc",
        ];
        assert_eq!(read(&ziplist(&elements)).unwrap(), expected);
    }

    #[test]
    fn corrupt_ones() {
        let good = ziplist(&[b"\x01a", b"\xf1"]);
        assert!(read(&good).is_ok());
        for (at, byte) in [(0, 0), (8, 1), (10, 1), (11, 0x3f), (13, 4), (14, 0xff), (15, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(read(&bad), Err(FAULT), "{byte} at {at}");
        }
        for len in 0..good.len() {
            assert_eq!(read(&good[..len]), Err(FAULT), "cut to {len}");
        }
    }
}
