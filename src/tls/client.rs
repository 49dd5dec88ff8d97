//! TLS as a client of another server, for the tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::error::TlsError;
use super::key_file::parse_key;
use super::load::{parse_certificates, read};

/// Where Debian and others keep the authorities that the machine trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The files that a client names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities that it trusts; otherwise those of the file that `SSL_CERT_FILE` in the environment names, or the machine's.
    pub authorities: Option<PathBuf>,
    /// The certificate that it shows, if any, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What a client connects with. The server's certificate has to be for the host's name.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

fn unusable(setting: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::Unusable { setting, path: path.display().to_string(), reason }
}

impl TlsClient {
    /// Reads the files.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(files: &ClientFiles) -> Result<Self, TlsError> {
        let by_environment = || std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let path = files.authorities.clone().or_else(by_environment);
        let path = path.unwrap_or_else(|| SYSTEM_AUTHORITIES.into());
        let mut roots = RootCertStore::empty();
        let pem = read("--cacert", &path.display().to_string())?;
        let certificates = parse_certificates(&pem).map_err(|reason| unusable("--cacert", &path, reason))?;
        // Of the machine's, one or the other is too old to be understood.
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(unusable("--cacert", &path, "no certificate in it is of use".to_owned()));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("--cacert", &path, error.to_string()))?
            .with_root_certificates(roots);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = parse_certificates(&read("--cert", &cert.display().to_string())?)
                    .map_err(|reason| unusable("--cert", cert, reason))?;
                let parsed = parse_key(&read("--key", &key.display().to_string())?, "")
                    .map_err(|reason| unusable("--key", key, reason))?;
                builder
                    .with_client_auth_cert(chain, parsed)
                    .map_err(|error| unusable("--cert", cert, error.to_string()))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// Speaks TLS over a stream with a server of this name. The handshake comes with the first bytes.
    ///
    /// # Errors
    /// The name is none.
    pub fn start<S: std::io::Read + std::io::Write>(
        &self,
        host: &str,
        stream: S,
    ) -> std::io::Result<StreamOwned<ClientConnection, S>> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| std::io::Error::other(format!("{host} is no host's name: {error}")))?;
        let connection = ClientConnection::new(self.0.clone(), name).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}
