//! Who is subscribed to what, and the way of a message to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::RwLock;

use super::clients::ClientHandle;
use super::outbox::Message;
use super::session::Session;
use crate::config::{BufferLimit, BufferLimits, Config};
use crate::glob::{self, Case};
use crate::protocol::Reply;

/// The kinds of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// To a channel.
    Channel,
    /// To all channels that match a pattern.
    Pattern,
    /// To a shard channel: a name space of its own.
    ShardChannel,
}

/// Room for so many names is not given back.
const ROOM_KEPT: usize = 1024;

/// The subscribers of one name, by the client's ID.
type Subscribers = HashMap<u64, Arc<ClientHandle>, ahash::RandomState>;

#[derive(Debug, Default)]
struct Registry {
    channels: HashMap<Bytes, Subscribers, ahash::RandomState>,
    shard_channels: HashMap<Bytes, Subscribers, ahash::RandomState>,
    /// In the order of their bytes, so that a subscriber of several has its messages in one order.
    patterns: BTreeMap<Bytes, Subscribers>,
}

/// Who is subscribed to what. Its lock comes behind the shards'.
#[derive(Debug)]
pub struct PubSub {
    registry: RwLock<Registry>,
    /// Nobody is subscribed to anything.
    idle: AtomicBool,
    /// What a subscriber may leave unread.
    limit: RwLock<BufferLimit>,
}

/// A connection's subscriptions.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shard_channels: BTreeSet<Bytes>,
}

impl Subscriptions {
    fn names(&self, topic: Topic) -> &BTreeSet<Bytes> {
        match topic {
            Topic::Channel => &self.channels,
            Topic::Pattern => &self.patterns,
            Topic::ShardChannel => &self.shard_channels,
        }
    }

    fn names_mut(&mut self, topic: Topic) -> &mut BTreeSet<Bytes> {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
            Topic::ShardChannel => &mut self.shard_channels,
        }
    }
}

impl Registry {
    fn add(&mut self, topic: Topic, name: Bytes, client: &Arc<ClientHandle>) {
        let subscribers = match topic {
            Topic::Channel => self.channels.entry(name).or_default(),
            Topic::Pattern => self.patterns.entry(name).or_default(),
            Topic::ShardChannel => self.shard_channels.entry(name).or_default(),
        };
        subscribers.insert(client.id, client.clone());
    }

    fn remove(&mut self, topic: Topic, name: &[u8], client_id: u64) {
        let subscribers = match topic {
            Topic::Channel => self.channels.get_mut(name),
            Topic::Pattern => self.patterns.get_mut(name),
            Topic::ShardChannel => self.shard_channels.get_mut(name),
        };
        let Some(subscribers) = subscribers else { return };
        subscribers.remove(&client_id);
        if subscribers.is_empty() {
            match topic {
                Topic::Channel => drop(self.channels.remove(name)),
                Topic::Pattern => drop(self.patterns.remove(name)),
                Topic::ShardChannel => drop(self.shard_channels.remove(name)),
            }
        }
    }

    /// Gives back the room of names that are gone, once it is most of all room.
    fn shrink(&mut self) {
        for names in [&mut self.channels, &mut self.shard_channels] {
            if names.capacity() > ROOM_KEPT && names.capacity() / 4 > names.len() {
                names.shrink_to(ROOM_KEPT.max(2 * names.len()));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }
}

impl PubSub {
    /// Nobody subscribed to anything, under the settings' limits.
    pub fn new(config: &Config) -> Self {
        Self {
            registry: RwLock::default(),
            idle: AtomicBool::new(true),
            limit: RwLock::new(config.buffer_limits().pubsub),
        }
    }

    /// Follows settings that have changed.
    pub fn configure(&self, limits: &BufferLimits) {
        *self.limit.write() = limits.pubsub;
    }

    /// Subscribes a connection to a name.
    pub fn subscribe(&self, session: &mut Session, topic: Topic, name: &[u8]) {
        let subscriptions = session.subscriptions.get_or_insert_default();
        let names = subscriptions.names_mut(topic);
        if names.contains(name) {
            return;
        }
        let name = Bytes::copy_from_slice(name);
        names.insert(name.clone());
        let mut registry = self.registry.write();
        registry.add(topic, name, &session.handle);
        self.idle.store(false, Relaxed);
        drop(registry);
        session.count_subscriptions();
    }

    /// Takes a connection's subscription back: no message comes any more to its outbox because of it.
    pub fn unsubscribe(&self, session: &mut Session, topic: Topic, name: &[u8]) {
        let Some(subscriptions) = &mut session.subscriptions else { return };
        if subscriptions.names_mut(topic).remove(name) {
            let mut registry = self.registry.write();
            registry.remove(topic, name, session.handle.id);
            registry.shrink();
            self.idle.store(registry.is_empty(), Relaxed);
            drop(registry);
            session.count_subscriptions();
        }
    }

    /// Takes all of a connection's subscriptions back.
    pub fn unsubscribe_all(&self, session: &mut Session) {
        let Some(subscriptions) = session.subscriptions.take() else { return };
        let mut registry = self.registry.write();
        for topic in [Topic::Channel, Topic::Pattern, Topic::ShardChannel] {
            for name in subscriptions.names(topic) {
                registry.remove(topic, name, session.handle.id);
            }
        }
        registry.shrink();
        self.idle.store(registry.is_empty(), Relaxed);
        drop(registry);
        session.count_subscriptions();
    }

    /// Sends a message to the subscribers of a channel, and of the patterns that it matches; how often it was sent.
    pub fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        if self.idle.load(Relaxed) {
            return 0;
        }
        let registry = self.registry.read();
        let limit = *self.limit.read();
        let mut sent = 0;
        if let Some(subscribers) = registry.channels.get(channel) {
            sent += send(subscribers, &[b"message", channel, payload], &limit);
        }
        for (pattern, subscribers) in &registry.patterns {
            if glob::matches(pattern, channel, Case::Sensitive) {
                sent += send(subscribers, &[b"pmessage", pattern, channel, payload], &limit);
            }
        }
        sent
    }

    /// Sends a message to the subscribers of a shard channel; how often it was sent.
    pub fn publish_to_shard(&self, channel: &[u8], payload: &[u8]) -> usize {
        if self.idle.load(Relaxed) {
            return 0;
        }
        let registry = self.registry.read();
        let Some(subscribers) = registry.shard_channels.get(channel) else { return 0 };
        send(subscribers, &[b"smessage", channel, payload], &self.limit.read())
    }

    /// The names that somebody is subscribed to, those only that match a pattern if one is given.
    pub fn names(&self, topic: Topic, pattern: Option<&[u8]>) -> Vec<Bytes> {
        let registry = self.registry.read();
        let matches = |name: &&Bytes| pattern.is_none_or(|p| glob::matches(p, name, Case::Sensitive));
        match topic {
            Topic::Channel => registry.channels.keys().filter(matches).cloned().collect(),
            Topic::Pattern => registry.patterns.keys().filter(matches).cloned().collect(),
            Topic::ShardChannel => registry.shard_channels.keys().filter(matches).cloned().collect(),
        }
    }

    /// The subscribers of which something holds: `holds` is given a client and a name that it is subscribed to, and whether that is a
    /// pattern. A client may be there several times.
    pub fn find_subscribers(
        &self,
        holds: impl Fn(&ClientHandle, &[u8], bool) -> bool,
    ) -> Vec<Arc<ClientHandle>> {
        let registry = self.registry.read();
        let channels = registry.channels.iter().chain(&registry.shard_channels).map(|entry| (entry, false));
        let patterns = registry.patterns.iter().map(|entry| (entry, true));
        let mut found: Vec<Arc<ClientHandle>> = Vec::new();
        for ((name, subscribers), is_pattern) in channels.chain(patterns) {
            found.extend(subscribers.values().filter(|client| holds(client, name, is_pattern)).cloned());
        }
        found
    }

    /// The number of names that somebody is subscribed to.
    pub fn len(&self, topic: Topic) -> usize {
        let registry = self.registry.read();
        match topic {
            Topic::Channel => registry.channels.len(),
            Topic::Pattern => registry.patterns.len(),
            Topic::ShardChannel => registry.shard_channels.len(),
        }
    }

    /// The number of subscribers of a name.
    pub fn subscribers(&self, topic: Topic, name: &[u8]) -> usize {
        let registry = self.registry.read();
        let subscribers = match topic {
            Topic::Channel => registry.channels.get(name),
            Topic::Pattern => registry.patterns.get(name),
            Topic::ShardChannel => registry.shard_channels.get(name),
        };
        subscribers.map_or(0, HashMap::len)
    }
}

fn send(subscribers: &Subscribers, parts: &[&[u8]], limit: &BufferLimit) -> usize {
    let write = |reply: &mut Reply| {
        reply.push(parts.len());
        parts.iter().for_each(|part| reply.bulk(part));
    };
    let mut message = Message::new(&write);
    subscribers.values().for_each(|client| client.send(&mut message, limit));
    subscribers.len()
}

impl Session {
    /// The number of its subscriptions of a kind.
    pub fn subscribed(&self, topic: Topic) -> usize {
        self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.names(topic).len())
    }

    /// The names that it is subscribed to.
    pub fn subscribed_names(&self, topic: Topic) -> Vec<Bytes> {
        let subscriptions = self.subscriptions.as_ref();
        subscriptions
            .map_or_else(Vec::new, |subscriptions| subscriptions.names(topic).iter().cloned().collect())
    }

    /// Whether it is subscribed to anything.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.is_some() && self.handle.is_subscriber()
    }

    /// Lets others see how many subscriptions there are.
    fn count_subscriptions(&self) {
        for (topic, count) in [
            (Topic::Channel, &self.handle.channels),
            (Topic::Pattern, &self.handle.patterns),
            (Topic::ShardChannel, &self.handle.shard_channels),
        ] {
            count.store(u32::try_from(self.subscribed(topic)).unwrap_or(u32::MAX), Relaxed);
        }
    }
}
