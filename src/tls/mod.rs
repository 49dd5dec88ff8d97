//! TLS: from the settings and the files that they name to what connections begin with. What a connection does with it is `net`'s.
//!
//! | file | what |
//! |---|---|
//! | `current.rs` | what new connections begin with, and how it is replaced while the server runs |
//! | `load.rs` | the settings and their files |
//! | `key_file.rs` | the private key, which may be encrypted |
//! | `client.rs` | the other side, for the tools |
//! | `ciphers.rs` | cipher suites by the names that OpenSSL gives them |

mod ciphers;
mod client;
mod current;
mod error;
mod key_file;
mod load;

pub use client::{ClientFiles, TlsClient};
pub use current::{Tls, TlsSetup};
pub use error::TlsError;
pub use load::{is_wanted, load};
