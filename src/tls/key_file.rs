//! The private key.

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// Reads the key from a PEM file's text; an encrypted one (PKCS #8) with its password.
///
/// # Errors
/// What is wrong with the text or the password.
pub(super) fn parse_key(pem: &str, password: &str) -> Result<PrivateKeyDer<'static>, String> {
    if let Some(encrypted) = find_encrypted(pem) {
        if password.is_empty() {
            return Err("the key is encrypted, and tls-key-file-pass is not set".to_owned());
        }
        return decrypt(encrypted, password);
    }
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the key is encrypted in OpenSSL's old form; `openssl pkcs8 -topk8` writes the form that is read"
                .to_owned(),
        );
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
        error => format!("the key cannot be read: {error}"),
    })
}

fn find_encrypted(pem: &str) -> Option<&str> {
    let start = pem.find(ENCRYPTED_BEGIN)?;
    let len = pem[start..].find(ENCRYPTED_END)? + ENCRYPTED_END.len();
    Some(&pem[start..start + len])
}

fn decrypt(pem: &str, password: &str) -> Result<PrivateKeyDer<'static>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("the encrypted key cannot be read: {error}");
    let (_, document) = SecretDocument::from_pem(pem).map_err(|error| unreadable(&error))?;
    let encrypted =
        EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| unreadable(&error))?;
    let key = encrypted
        .decrypt(password)
        .map_err(|error| format!("the key cannot be decrypted with tls-key-file-pass: {error}"))?;
    PrivateKeyDer::try_from(key.as_bytes()).map(|key| key.clone_key()).map_err(str::to_owned)
}
