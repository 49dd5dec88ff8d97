//! Keyspace notifications: what happens to keys, published to channels (`notify-keyspace-events`).

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bitflags::bitflags;

use super::pubsub::PubSub;

bitflags! {
    /// Classes of events, and the channels that they are published to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct EventClass: u32 {
        /// `K`: to the key's channel.
        const TO_KEYSPACE = 1 << 0;
        /// `E`: to the event's channel.
        const TO_KEYEVENT = 1 << 1;
        /// `g`: keys of any type.
        const GENERIC = 1 << 2;
        /// `$`
        const STRING = 1 << 3;
        /// `l`
        const LIST = 1 << 4;
        /// `s`
        const SET = 1 << 5;
        /// `x`: a key's time was up.
        const EXPIRED = 1 << 6;
        /// `t`
        const STREAM = 1 << 7;
        /// `m`: a key was looked up that is not there. Not in `A`.
        const KEY_MISS = 1 << 8;
        /// `n`: a key came to be. Not in `A`.
        const NEW = 1 << 9;
    }
}

impl EventClass {
    /// The classes that the setting names. Those of types that there are none of here, and of evictions, name nothing.
    fn parse(letters: &str) -> Self {
        let all = Self::GENERIC | Self::STRING | Self::LIST | Self::SET | Self::EXPIRED | Self::STREAM;
        letters.chars().fold(Self::empty(), |classes, letter| {
            classes
                | match letter {
                    'A' => all,
                    'K' => Self::TO_KEYSPACE,
                    'E' => Self::TO_KEYEVENT,
                    'g' => Self::GENERIC,
                    '$' => Self::STRING,
                    'l' => Self::LIST,
                    's' => Self::SET,
                    'x' => Self::EXPIRED,
                    't' => Self::STREAM,
                    'm' => Self::KEY_MISS,
                    'n' => Self::NEW,
                    _ => Self::empty(),
                }
        })
    }
}

/// Which events are published.
#[derive(Debug, Default)]
pub struct KeyEvents {
    classes: AtomicU32,
}

impl KeyEvents {
    /// Follows the setting.
    pub fn configure(&self, letters: &str) {
        let classes = EventClass::parse(letters);
        let has_channel = classes.intersects(EventClass::TO_KEYSPACE | EventClass::TO_KEYEVENT);
        self.classes.store(if has_channel { classes.bits() } else { 0 }, Relaxed);
    }

    /// Whether events of this class are published.
    #[inline]
    pub fn wants(&self, class: EventClass) -> bool {
        self.classes.load(Relaxed) & class.bits() != 0
    }

    /// Publishes an event of a class that is wanted.
    #[cold]
    pub(super) fn publish(&self, pubsub: &PubSub, event: &str, db: usize, key: &[u8]) {
        let classes = EventClass::from_bits_retain(self.classes.load(Relaxed));
        let mut channel = Vec::with_capacity(32 + key.len());
        if classes.contains(EventClass::TO_KEYSPACE) {
            // Writing to memory does not fail.
            let _ = write!(channel, "__keyspace@{db}__:");
            channel.extend_from_slice(key);
            pubsub.publish(&channel, event.as_bytes());
        }
        if classes.contains(EventClass::TO_KEYEVENT) {
            channel.clear();
            let _ = write!(channel, "__keyevent@{db}__:{event}");
            pubsub.publish(&channel, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wanted_without_a_channel() {
        let events = KeyEvents::default();
        for (letters, wants_string, wants_miss) in [
            ("", false, false),
            ("A$m", false, false),
            ("AK", true, false),
            ("AEm", true, true),
            ("KEg", false, false),
            ("K$hzd", true, false),
        ] {
            events.configure(letters);
            assert_eq!(events.wants(EventClass::STRING), wants_string, "{letters}");
            assert_eq!(events.wants(EventClass::KEY_MISS), wants_miss, "{letters}");
        }
    }
}
