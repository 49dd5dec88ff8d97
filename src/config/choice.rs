//! The choices that Millstream acts on, as enums.

/// A setting's value that is one of a few words.
pub trait Choice: Copy + 'static {
    /// The words, in the order of [`Choice::from_index`].
    const WORDS: &'static [&'static str];

    /// The choice whose word is at `index`; an index past the last word gives the last choice.
    fn from_index(index: usize) -> Self;
}

macro_rules! choices {
    ($(
        $(#[$attribute:meta])*
        $name:ident { $($(#[$variant_attribute:meta])* $variant:ident = $word:literal),+ $(,)? }
    )+) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_attribute])* $variant),+ }

        impl Choice for $name {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn from_index(index: usize) -> Self {
                const ALL: &[$name] = &[$($name::$variant),+];
                ALL[index.min(ALL.len() - 1)]
            }
        }
    )+};
}

choices! {
    /// When the append-only file is synced to disk (`appendfsync`).
    AppendFsync {
        /// About once a second, in the background.
        EverySecond = "everysec",
        /// Before the reply to every write.
        Always = "always",
        /// Whenever the operating system chooses.
        Never = "no",
    }

    /// The least severe messages that are logged (`loglevel`).
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Much, without the noise of debugging.
        Verbose = "verbose",
        /// What an operator wants to see.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }

    /// How log lines are written (`log-format`).
    LogFormat {
        /// One line of text each.
        Text = "text",
        /// One JSON object each.
        Json = "json",
    }

    /// What happens to a write when `maxmemory` is reached (`maxmemory-policy`).
    MaxmemoryPolicy {
        /// Evict the least recently used among keys with a time to live.
        VolatileLru = "volatile-lru",
        /// Evict the least frequently used among keys with a time to live.
        VolatileLfu = "volatile-lfu",
        /// Evict a random one among keys with a time to live.
        VolatileRandom = "volatile-random",
        /// Evict the key with the shortest time to live.
        VolatileTtl = "volatile-ttl",
        /// Evict the least recently used key.
        AllKeysLru = "allkeys-lru",
        /// Evict the least frequently used key.
        AllKeysLfu = "allkeys-lfu",
        /// Evict a random key.
        AllKeysRandom = "allkeys-random",
        /// Refuse the write.
        NoEviction = "noeviction",
    }

    /// Which connections may use a guarded feature (`enable-debug-command` and its like).
    ConnectionScope {
        /// None.
        Nobody = "no",
        /// Every connection.
        Everybody = "yes",
        /// Those from this machine.
        Local = "local",
    }

    /// The channels that a new ACL user may use (`acl-pubsub-default`).
    AclPubsubDefault {
        /// Every channel.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
}

bitflags::bitflags! {
    /// What a signal adds to the shutdown it starts (`shutdown-on-sigterm`, `shutdown-on-sigint`); none is the default way.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ShutdownFlags: u64 {
        /// Save even where no save points are set.
        const SAVE = 1;
        /// Do not save.
        const NOSAVE = 1 << 1;
        /// Do not wait for replicas that lag behind.
        const NOW = 1 << 2;
        /// Go on when saving fails.
        const FORCE = 1 << 3;
    }
}

impl ShutdownFlags {
    /// The word of no flag, then the word of each flag from the lowest bit up.
    pub(super) const WORDS: &'static [&'static str] = &["default", "save", "nosave", "now", "force"];
}
