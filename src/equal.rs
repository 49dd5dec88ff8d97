//! Comparison of short byte strings: names of commands, keys and fields.

/// Whether two byte strings are equal. Of 16 bytes and less, as names are, it compares words without a call of the C library, which
/// costs more than what it does there.
#[inline]
pub fn bytes_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // The first and the last word may overlap.
    match a.len() {
        0..4 => a.iter().zip(b).all(|(a, b)| a == b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_place() {
        for len in 0..40 {
            let a: Vec<u8> = (0..len).collect();
            assert!(bytes_equal(&a, &a.clone()));
            assert!(!bytes_equal(&a, &[&a[..], b"x"].concat()));
            for at in 0..a.len() {
                let mut b = a.clone();
                b[at] ^= 0x80;
                assert!(!bytes_equal(&a, &b), "{len} bytes, the one at {at} differs");
            }
        }
    }
}
