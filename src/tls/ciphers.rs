//! Cipher suites, as `tls-ciphers` and `tls-ciphersuites` name them: by OpenSSL's names. There are only those that are sound today: the
//! three of TLS 1.3, and for TLS 1.2 those with ephemeral keys and authenticated encryption.

use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::ring::cipher_suite as suites;

/// Those of TLS 1.2, the preferred ones first.
const TLS12: &[(&str, SupportedCipherSuite)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Those of TLS 1.3.
const TLS13: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", suites::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suites::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", suites::TLS13_CHACHA20_POLY1305_SHA256),
];

fn names(of: &[(&str, SupportedCipherSuite)]) -> String {
    of.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The suites of TLS 1.3 that `tls-ciphersuites` names, in its order; all when it is empty.
///
/// # Errors
/// A name that is none of theirs.
pub(super) fn parse_tls13(text: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    if text.is_empty() {
        return Ok(TLS13.iter().map(|(_, suite)| *suite).collect());
    }
    let find = |word: &str| {
        TLS13
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, suite)| *suite)
            .ok_or_else(|| format!("'{word}' is none of those that there are: {}", names(TLS13)))
    };
    text.split(':').map(find).collect()
}

/// The suites of TLS 1.2 that `tls-ciphers` selects: words, each of which adds, `-` removes, `!` removes for good, `+` moves to the end.
/// All when it is empty. Words for what there is not select nothing, as in OpenSSL.
///
/// # Errors
/// Nothing is selected.
pub(super) fn parse_tls12(text: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut selected: Vec<usize> = Vec::new();
    let mut banned: Vec<usize> = Vec::new();
    let text = if text.is_empty() { "DEFAULT" } else { text };
    for word in text.split([':', ',', ' ']).filter(|word| !word.is_empty() && !word.starts_with('@')) {
        let (sign, term) = match word.as_bytes()[0] {
            sign @ (b'-' | b'!' | b'+') => (sign, &word[1..]),
            _ => (b' ', word),
        };
        let matching: Vec<usize> = (0..TLS12.len()).filter(|&suite| is_meant(term, TLS12[suite].0)).collect();
        match sign {
            b' ' => {
                let added = matching.iter().filter(|suite| !banned.contains(suite));
                let added: Vec<usize> = added.filter(|suite| !selected.contains(suite)).copied().collect();
                selected.extend(added);
            }
            b'+' => {
                let (moved, kept): (Vec<usize>, _) =
                    selected.iter().partition(|suite| matching.contains(suite));
                selected = kept;
                selected.extend(moved);
            }
            sign => {
                selected.retain(|suite| !matching.contains(suite));
                if sign == b'!' {
                    banned.extend(matching);
                }
            }
        }
    }
    if selected.is_empty() {
        return Err(format!("it selects none of those that there are: {}", names(TLS12)));
    }
    Ok(selected.into_iter().map(|suite| TLS12[suite].1).collect())
}

/// Whether a term (words that all have to hold, joined by `+`) means a suite.
fn is_meant(term: &str, suite: &str) -> bool {
    term.split('+').all(|word| match word {
        "DEFAULT" | "ALL" | "HIGH" | "TLSv1.2" => true,
        "ECDHE" | "kECDHE" | "EECDH" | "kEECDH" => suite.starts_with("ECDHE-"),
        "ECDSA" | "aECDSA" => suite.contains("-ECDSA-"),
        "aRSA" => suite.contains("-RSA-"),
        "AES" | "AESGCM" => suite.contains("-AES"),
        "AES128" | "AES256" | "CHACHA20" | "SHA256" | "SHA384" => {
            suite.contains(&format!("-{word}")) && (word != "SHA256" || suite.ends_with("SHA256"))
        }
        exact => exact == suite,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = parse_tls12(text).unwrap_or_default();
        let name = |suite| TLS12.iter().find(|(_, known)| *known == suite).map(|(name, _)| *name);
        let found: Vec<&str> = found.into_iter().filter_map(name).collect();
        let expected: Vec<String> = expected.iter().map(|name| format!("ECDHE-{name}")).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn words_select_suites_of_tls_1_2() {
        let all = TLS12.len();
        assert_eq!(parse_tls12("").unwrap().len(), all);
        assert_eq!(parse_tls12("DEFAULT:!MEDIUM:!aNULL:@SECLEVEL=2").unwrap().len(), all);
        check("ECDHE-RSA-AES128-GCM-SHA256", &["RSA-AES128-GCM-SHA256"]);
        check("AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256", &["RSA-AES128-GCM-SHA256"]);
        check("ECDHE+AESGCM+aRSA", &["RSA-AES256-GCM-SHA384", "RSA-AES128-GCM-SHA256"]);
        check("CHACHA20:!ECDSA", &["RSA-CHACHA20-POLY1305"]);
        check("!ECDSA:HIGH:-AES", &["RSA-CHACHA20-POLY1305"]);
        check("!aRSA:AESGCM:+AES256", &["ECDSA-AES128-GCM-SHA256", "ECDSA-AES256-GCM-SHA384"]);
        for text in ["AES128-SHA256", "DEFAULT:-ALL", "!ALL:DEFAULT", "nosuch"] {
            assert!(parse_tls12(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_select_suites_of_tls_1_3() {
        assert_eq!(parse_tls13("").unwrap().len(), 3);
        let two = parse_tls13("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256").unwrap();
        assert_eq!(two, [TLS13[2].1, TLS13[1].1]);
        assert!(parse_tls13("TLS_AES_128_CCM_SHA256").is_err());
    }
}
