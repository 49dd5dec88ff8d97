//! Glob patterns over bytes, as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules use them.
//!
//! `*` is any run of bytes, `?` any one byte, `[ab]`, `[a-c]` and `[^a]` one byte of a class, and a backslash takes the
//! special meaning from the byte after it. Malformed patterns are not refused: an unclosed class ends with the
//! pattern, a reversed range is turned round, a lone trailing backslash stands for itself.
//!
//! Matching remembers only the last `*`, so its cost is at most pattern length times text length, whatever the pattern.

/// Whether two letters that differ in case alone are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Every byte counts as it is.
    Sensitive,
    /// ASCII letters match in either case.
    Insensitive,
}

impl Case {
    fn fold(self, byte: u8) -> u8 {
        match self {
            Case::Sensitive => byte,
            Case::Insensitive => byte.to_ascii_lowercase(),
        }
    }
}

/// Says whether the whole of `text` matches `pattern`.
///
/// The pattern `*` matches the empty text; any other pattern that could match it, such as `**`, does not, which is
/// what clients of Redis see.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if pattern == b"*" {
        return true;
    }
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last star did not fit: the pattern after that star, and the text
    // position the star is to reach next.
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        let fits = match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, position + 1));
                continue;
            }
            Some(_) => {
                let (fits, next) = match_one(pattern, at, text[position], case);
                at = next;
                fits
            }
            None => false,
        };
        if fits {
            position += 1;
            continue;
        }
        let Some((after_star, next_position)) = retry else {
            return false;
        };
        at = after_star;
        position = next_position;
        retry = Some((after_star, next_position + 1));
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Whether a pattern has no special byte, and so matches exactly one text: itself.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Matches one byte against the pattern's element at `at`, which is not a star, and gives where the next begins.
fn match_one(pattern: &[u8], at: usize, byte: u8, case: Case) -> (bool, usize) {
    match pattern[at] {
        b'?' => (true, at + 1),
        b'[' => match_class(pattern, at + 1, byte, case),
        b'\\' if at + 1 < pattern.len() => (case.fold(pattern[at + 1]) == case.fold(byte), at + 2),
        literal => (case.fold(literal) == case.fold(byte), at + 1),
    }
}

/// Matches one byte against the class whose first byte, after the bracket, is at `at`.
fn match_class(pattern: &[u8], mut at: usize, byte: u8, case: Case) -> (bool, usize) {
    let negated = pattern.get(at) == Some(&b'^');
    if negated {
        at += 1;
    }
    let byte = case.fold(byte);
    let mut found = false;
    loop {
        match pattern[at.min(pattern.len())..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= case.fold(escaped) == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                let (low, high) = if from <= to { (from, to) } else { (to, from) };
                found |= (case.fold(low)..=case.fold(high)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= case.fold(literal) == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, texts: &[&str], case: Case, expected: &[&str]) {
        let found: Vec<&str> =
            texts.iter().copied().filter(|text| matches(pattern.as_bytes(), text.as_bytes(), case)).collect();
        assert_eq!(found, expected, "pattern {pattern:?}");
    }

    /// The keys that the answers below were observed over, in sorted order.
    const KEYS: &[&str] = &[
        "", "*", "-", "-a", "?", "A", "[", "[abc", "\\", "]", "^", "a", "a*", "aXb", "a]", "ab", "abc", "b",
        "foo", "xx", "z",
    ];
    const ONE_BYTE: &[&str] = &["*", "-", "?", "A", "[", "\\", "]", "^", "a", "b", "z"];

    /// Each line was answered by redis-server 7.0.15's KEYS over the same keys.
    #[test]
    fn patterns_match_what_redis_matches() {
        let not = |left_out: &[&str]| -> Vec<&str> {
            ONE_BYTE.iter().copied().filter(|key| !left_out.contains(key)).collect()
        };
        let table: &[(&str, Vec<&str>)] = &[
            ("", vec![""]),
            ("*", KEYS.to_vec()),
            ("**", KEYS[1..].to_vec()),
            ("?", ONE_BYTE.to_vec()),
            ("??", vec!["-a", "a*", "a]", "ab", "xx"]),
            ("a", vec!["a"]),
            ("[", vec![]),
            ("[^", ONE_BYTE.to_vec()),
            ("[]", vec![]),
            ("[^]", ONE_BYTE.to_vec()),
            ("[a-]", vec!["]", "^", "a"]),
            ("[z-a]", vec!["a", "b", "z"]),
            ("[a", vec!["a"]),
            ("[abc", vec!["a", "b"]),
            ("[^a", not(&["a"])),
            ("[\\", vec!["\\"]),
            ("\\", vec!["\\"]),
            ("\\\\", vec!["\\"]),
            ("a\\", vec![]),
            ("\\*", vec!["*"]),
            ("a\\*", vec!["a*"]),
            ("[\\]]", vec!["]"]),
            ("[]]", vec![]),
            ("[^]]", vec!["a]"]),
            ("[a-c]", vec!["a", "b"]),
            ("[^a-c]", not(&["a", "b"])),
            ("[-a]", vec!["-", "a"]),
            ("[a-", vec!["-", "a"]),
            ("*a", vec!["-a", "a"]),
            ("a*b", vec!["aXb", "ab"]),
            ("*]", vec!["]", "a]"]),
            ("[[]", vec!["["]),
            ("[?]", vec!["?"]),
            ("[*]", vec!["*"]),
            ("[a-a]", vec!["a"]),
            ("[\\a-c]", vec!["-", "a"]),
            ("[a-\\]]", vec!["a]"]),
            ("[^^]", not(&["^"])),
            ("[!a]", vec!["a"]),
            ("***a***", vec!["-a", "[abc", "a", "a*", "aXb", "a]", "ab", "abc"]),
            ("?*", KEYS[1..].to_vec()),
            ("*?", KEYS[1..].to_vec()),
            ("[^\\", not(&["\\"])),
            ("\\a", vec!["a"]),
            ("[a]*", vec!["a", "a*", "aXb", "a]", "ab", "abc"]),
            ("a[", vec![]),
            ("a[b", vec!["ab"]),
            ("*[", vec![]),
            ("*[^", KEYS[1..].to_vec()),
            ("**?", KEYS[1..].to_vec()),
        ];
        for (pattern, expected) in table {
            check(pattern, KEYS, Case::Sensitive, expected);
        }
    }

    #[test]
    fn case_can_be_ignored() {
        let texts = &["MaxMemory", "maxmemory", "maxmemory-policy", "@"];
        check("MAX*y", texts, Case::Insensitive, &["MaxMemory", "maxmemory", "maxmemory-policy"]);
        check("\\MAXMEM[N-P]RY", texts, Case::Insensitive, &["MaxMemory", "maxmemory"]);
        check("max*", texts, Case::Sensitive, &["maxmemory", "maxmemory-policy"]);
    }

    #[test]
    fn many_stars_cost_no_more_than_the_product_of_the_lengths() {
        let pattern = "a*".repeat(10_000) + "b";
        let text = "a".repeat(20_000);
        assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive));
    }

    #[test]
    fn literal_patterns_are_told_from_others() {
        for (pattern, expected) in
            [("maxmemory", true), ("a*", false), ("a?", false), ("[a", false), ("\\a", false)]
        {
            assert_eq!(is_literal(pattern.as_bytes()), expected, "{pattern}");
        }
    }
}
