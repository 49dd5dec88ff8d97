//! Why a payload is refused.

/// Why a payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RdbError {
    /// It is too short, of a version that is not known, or its checksum is wrong.
    #[error("version or checksum are wrong")]
    Footer,
    /// It is not of the form that its type has: what is wrong.
    #[error("bad data format: {0}")]
    Format(&'static str),
}
