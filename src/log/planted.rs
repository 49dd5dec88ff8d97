//! Faults that are planted on purpose, so that the fault campaign can show that it finds them. They exist only in a build with the feature
//! `planted-faults`, which is for nothing else, and there only when `MILLSTREAM_PLANTED` names one.

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// `missing-sync`: a sync of the log does nothing.
    MissingSync,
    /// `early-reply`: a reply leaves before what it tells of is written.
    EarlyReply,
}

impl Planted {
    /// Whether it is planted.
    #[inline]
    pub fn is_there(self) -> bool {
        cfg!(feature = "planted-faults") && self.is_named()
    }

    fn is_named(self) -> bool {
        static NAME: std::sync::LazyLock<Option<String>> =
            std::sync::LazyLock::new(|| std::env::var("MILLSTREAM_PLANTED").ok());
        let name = match self {
            Self::MissingSync => "missing-sync",
            Self::EarlyReply => "early-reply",
        };
        NAME.as_deref() == Some(name)
    }
}
