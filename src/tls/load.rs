//! From the settings to a setup.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::ciphers::{parse_tls12, parse_tls13};
use super::current::TlsSetup;
use super::error::TlsError;
use super::key_file::parse_key;
use crate::config::{Config, Handle, TextSetting, settings};

/// Whether the settings ask for TLS.
pub fn is_wanted(config: &Config) -> bool {
    config.integer(settings::TLS_PORT) != 0
}

/// Reads the files that the settings name.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(config: &Config) -> Result<TlsSetup, TlsError> {
    let provider = Arc::new(provider(config)?);
    let certified = load_certificate(config, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(config)?)
        .map_err(|error| unsupported("tls-protocols", error.to_string()))?;
    let mode = config.word(settings::TLS_AUTH_CLIENTS);
    let builder = if mode == "no" {
        builder.with_no_client_auth()
    } else {
        let (roots, setting) = load_authorities(config)?;
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        if mode == "optional" {
            verifier = verifier.allow_unauthenticated();
        }
        builder.with_client_cert_verifier(
            verifier.build().map_err(|error| unsupported(setting, error.to_string()))?,
        )
    };
    let mut setup = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    setup.ignore_client_order = config.boolean(settings::TLS_PREFER_SERVER_CIPHERS);
    if config.boolean(settings::TLS_SESSION_CACHING) {
        // Tickets hold for this setup only: who is let in by one was let in by the same authorities.
        setup.ticketer =
            ring::Ticketer::new().map_err(|error| unsupported("tls-session-caching", error.to_string()))?;
        // The client keeps them; what TLS 1.2 without tickets would keep here is not worth its memory.
        setup.session_storage = Arc::new(NoServerSessionStorage {});
    } else {
        setup.session_storage = Arc::new(NoServerSessionStorage {});
        setup.send_tls13_tickets = 0;
    }
    Ok(Arc::new(setup))
}

fn unsupported(setting: &'static str, reason: impl Into<String>) -> TlsError {
    TlsError::Unsupported { setting, reason: reason.into() }
}

/// The versions that `tls-protocols` allows, as far as there are any.
fn versions(config: &Config) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let text = config.text(settings::TLS_PROTOCOLS);
    if text.trim().is_empty() {
        return Ok(vec![&TLS12, &TLS13]);
    }
    let mut versions = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1.3" => versions.push(&TLS13),
            // They are allowed, and nobody is made to speak them.
            "tlsv1" | "tlsv1.1" => {}
            _ => return Err(unsupported("tls-protocols", format!("there is no protocol '{word}'"))),
        }
    }
    if versions.is_empty() {
        return Err(unsupported("tls-protocols", "only TLSv1.2 and TLSv1.3 are spoken"));
    }
    Ok(versions)
}

/// Which ciphers are spoken.
fn provider(config: &Config) -> Result<CryptoProvider, TlsError> {
    let mut cipher_suites = Vec::new();
    let versions = versions(config)?;
    if versions.contains(&&TLS13) {
        let suites = parse_tls13(&config.text(settings::TLS_CIPHERSUITES));
        cipher_suites.extend(suites.map_err(|reason| unsupported("tls-ciphersuites", reason))?);
    }
    if versions.contains(&&TLS12) {
        let suites = parse_tls12(&config.text(settings::TLS_CIPHERS));
        cipher_suites.extend(suites.map_err(|reason| unsupported("tls-ciphers", reason))?);
    }
    Ok(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

/// A setting's name, and the path that it holds.
fn path_of(config: &Config, setting: TextSetting) -> Result<(&'static str, String), TlsError> {
    let (name, path) = (setting.id().setting().name, config.text(setting));
    if path.is_empty() { Err(TlsError::Missing(name)) } else { Ok((name, path.to_string())) }
}

pub(super) fn read(setting: &'static str, path: &str) -> Result<String, TlsError> {
    let bytes =
        fs::read(path).map_err(|cause| TlsError::Unreadable { setting, path: path.to_owned(), cause })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn parse_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("a certificate cannot be read: {error}")),
    }
}

/// The server's certificate, those of the authorities between it and the clients', and its key.
fn load_certificate(config: &Config, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (cert_setting, cert_path) = path_of(config, settings::TLS_CERT_FILE)?;
    let (key_setting, key_path) = path_of(config, settings::TLS_KEY_FILE)?;
    let unusable =
        |setting, path: &str, reason| TlsError::Unusable { setting, path: path.to_owned(), reason };
    let chain = parse_certificates(&read(cert_setting, &cert_path)?)
        .map_err(|reason| unusable(cert_setting, &cert_path, reason))?;
    let password = config.text(settings::TLS_KEY_FILE_PASS);
    let key = parse_key(&read(key_setting, &key_path)?, &password)
        .map_err(|reason| unusable(key_setting, &key_path, reason))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| unusable(key_setting, &key_path, format!("the key is of no use: {error}")))?;
    let certified = CertifiedKey::new(chain, key);
    // A certificate of version 1, which the library does not take apart, is sent as it is.
    if matches!(certified.keys_match(), Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch))) {
        let reason = format!("it is not the key of the certificate in {cert_path}");
        return Err(unusable(key_setting, &key_path, reason));
    }
    Ok(certified)
}

/// The authorities whose clients are let in, and the setting that names them.
fn load_authorities(config: &Config) -> Result<(RootCertStore, &'static str), TlsError> {
    let file = config.text(settings::TLS_CA_CERT_FILE);
    let dir = config.text(settings::TLS_CA_CERT_DIR);
    let mut roots = RootCertStore::empty();
    let mut setting = "tls-ca-cert-dir";
    if file.is_empty() && dir.is_empty() {
        return Err(unsupported(
            "tls-auth-clients",
            "clients are asked for a certificate, and neither tls-ca-cert-file nor tls-ca-cert-dir says whose are good",
        ));
    }
    if !file.is_empty() {
        setting = "tls-ca-cert-file";
        let unusable = |reason| TlsError::Unusable { setting, path: file.to_string(), reason };
        for certificate in parse_certificates(&read(setting, &file)?).map_err(unusable)? {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
    }
    if !dir.is_empty() {
        load_authorities_in(&dir, &mut roots)?;
    }
    Ok((roots, setting))
}

/// Adds the certificates in a directory's files; other files are passed over.
fn load_authorities_in(dir: &str, roots: &mut RootCertStore) -> Result<(), TlsError> {
    let setting = "tls-ca-cert-dir";
    let unreadable = |cause| TlsError::Unreadable { setting, path: dir.to_owned(), cause };
    for entry in fs::read_dir(Path::new(dir)).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Ok(bytes) = fs::read(&path) else { continue };
        for certificate in CertificateDer::pem_slice_iter(&bytes).flatten() {
            if let Err(error) = roots.add(certificate) {
                tracing::warn!("{setting} {}: a certificate is of no use: {error}", path.display());
            }
        }
    }
    if roots.is_empty() {
        return Err(TlsError::Unusable {
            setting,
            path: dir.to_owned(),
            reason: "there is no certificate in its files".to_owned(),
        });
    }
    Ok(())
}
