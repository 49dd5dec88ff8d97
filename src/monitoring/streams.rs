//! What is told of streams, groups and consumers, and which of them.
//!
//! A first pass over the keyspace, some slots at a time, finds the streams with the most entries; a second one takes their figures, one stream at
//! a time. Between two pieces of work no shard is locked. A key that is gone by the second pass, or whose slot another one has got, is left out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::label::label;
use crate::clock;
use crate::config::settings;
use crate::engine::{Group, Stream, StreamId, Value};
use crate::state::{ShardSet, Shared};

/// A shard stays locked for a look at so many slots.
const SLOTS_AT_A_TIME: usize = 1000;
/// For each stream that may be told of, so many groups and so many consumers are: in one stream or spread over all.
const PER_STREAM: usize = 10;

/// What is told of streams, and how much there is.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The largest streams, the largest first.
    pub(super) streams: Vec<StreamFigures>,
    /// By database: its number, its keys, and those of them that expire, where there are any.
    pub(super) databases: Vec<(usize, u64, u64)>,
    /// All streams.
    pub(super) stream_count: u64,
    /// Groups of the streams above that are left out, since there are too many.
    pub(super) groups_untold: u64,
    /// Consumers of the groups above that are left out.
    pub(super) consumers_untold: u64,
}

/// What is told of a stream.
#[derive(Debug)]
pub(super) struct StreamFigures {
    pub(super) db: String,
    pub(super) key: String,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) entries_added: u64,
    pub(super) group_count: u64,
    pub(super) groups: Vec<GroupFigures>,
}

/// What is told of a group. Ages are 0 where there is nothing to be that old.
#[derive(Debug)]
pub(super) struct GroupFigures {
    pub(super) name: String,
    pub(super) lag: u64,
    pub(super) pending: u64,
    pub(super) redeliveries: u64,
    pub(super) oldest_pending_age_ms: u64,
    pub(super) longest_idle_ms: u64,
    pub(super) oldest_unread_age_ms: u64,
    pub(super) consumer_count: u64,
    pub(super) consumers: Vec<ConsumerFigures>,
}

/// What is told of a consumer.
#[derive(Debug)]
pub(super) struct ConsumerFigures {
    pub(super) name: String,
    pub(super) pending: u64,
    pub(super) idle_ms: u64,
}

/// A stream's place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    entries: u64,
    shard: usize,
    db: usize,
    slot: usize,
    key: String,
}

/// How many groups and consumers may still be told of.
#[derive(Debug)]
struct Room {
    groups: usize,
    consumers: usize,
}

impl Survey {
    /// What is told now.
    pub(super) fn take(shared: &Shared) -> Self {
        let streams_max = usize::try_from(shared.config.integer(settings::METRICS_STREAMS_MAX)).unwrap_or(0);
        let mut survey = Self::default();
        let mut room = Room {
            groups: streams_max.saturating_mul(PER_STREAM),
            consumers: streams_max.saturating_mul(PER_STREAM),
        };
        for place in survey.find_largest(shared, streams_max) {
            let now_ms = clock::unix_ms();
            let mut shards = shared.store.lock(&ShardSet::One(place.shard));
            let db = &mut shards.get(place.shard).dbs[place.db];
            let Some(entry) = db.find_at(place.slot).filter(|entry| label(entry.key()) == place.key) else {
                continue;
            };
            if let Value::Stream(stream) = &mut entry.value {
                let figures = survey.figures(stream, place.db, place.key, now_ms, &mut room);
                survey.streams.push(figures);
            }
        }
        survey
    }

    /// Finds the streams with the most entries, the largest first, and counts keys on the way.
    fn find_largest(&mut self, shared: &Shared, streams_max: usize) -> Vec<Place> {
        let store = &shared.store;
        let mut largest: BinaryHeap<Reverse<Place>> = BinaryHeap::new();
        let mut databases = vec![(0_u64, 0_u64); store.databases()];
        for shard in 0..store.shard_count() {
            let (mut db, mut slot) = (0, 0);
            while db < store.databases() {
                let now_ms = clock::unix_ms();
                let mut shards = store.lock(&ShardSet::One(shard));
                let dbs = &mut shards.get(shard).dbs;
                let mut left = SLOTS_AT_A_TIME;
                while left > 0 && db < dbs.len() {
                    let keys = &dbs[db];
                    if slot == 0 {
                        databases[db].0 += keys.len() as u64;
                        databases[db].1 += keys.expiring_len() as u64;
                    }
                    let end = keys.slot_count().min(slot + left);
                    for at in slot..end {
                        keys.scan(at, 1, |entry| {
                            let Value::Stream(stream) = &entry.value else { return };
                            if entry.is_expired(now_ms) {
                                return;
                            }
                            self.stream_count += 1;
                            let entries = stream.len();
                            let is_full = largest.len() >= streams_max;
                            if is_full && largest.peek().is_none_or(|Reverse(least)| least.entries >= entries)
                            {
                                return;
                            }
                            if is_full {
                                largest.pop();
                            }
                            largest.push(Reverse(Place {
                                entries,
                                shard,
                                db,
                                slot: at,
                                key: label(entry.key()),
                            }));
                        });
                    }
                    // An empty database costs something too.
                    left -= (end.saturating_sub(slot) + 1).min(left);
                    if end >= keys.slot_count() {
                        (db, slot) = (db + 1, 0);
                    } else {
                        slot = end;
                    }
                }
            }
        }
        let counted = databases.into_iter().enumerate().filter(|(_, (keys, _))| *keys > 0);
        self.databases = counted.map(|(db, (keys, expiring))| (db, keys, expiring)).collect();
        let mut places: Vec<Place> = largest.into_iter().map(|Reverse(place)| place).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places
    }

    fn figures(
        &mut self,
        stream: &mut Stream,
        db: usize,
        key: String,
        now_ms: u64,
        room: &mut Room,
    ) -> StreamFigures {
        let count = stream.groups().len();
        let told = count.min(room.groups);
        room.groups -= told;
        self.groups_untold += (count - told) as u64;
        // Only a search for what idles changes a group, so that the next one is cheaper.
        let idle_since: Vec<Option<u64>> =
            stream.groups_mut().iter_mut().take(told).map(|(_, group)| group.find_idle_since_ms()).collect();
        let groups = stream.groups().iter().zip(idle_since);
        let groups = groups
            .map(|((name, group), since_ms)| self.group(stream, name, group, since_ms, now_ms, room))
            .collect();
        StreamFigures {
            db: db.to_string(),
            key,
            entries: stream.len(),
            bytes: (size_of::<Stream>() + stream.heap_bytes()) as u64,
            entries_added: stream.entries_added(),
            group_count: count as u64,
            groups,
        }
    }

    fn group(
        &mut self,
        stream: &Stream,
        name: &[u8],
        group: &Group,
        idle_since_ms: Option<u64>,
        now_ms: u64,
        room: &mut Room,
    ) -> GroupFigures {
        let age_ms = |id: Option<StreamId>| id.map_or(0, |id| now_ms.saturating_sub(id.ms));
        let count = group.consumers().len();
        let told = count.min(room.consumers);
        room.consumers -= told;
        self.consumers_untold += (count - told) as u64;
        let consumers = group.consumers().iter().take(told).map(|(_, consumer)| ConsumerFigures {
            name: label(consumer.name()),
            pending: consumer.pending(),
            idle_ms: now_ms.saturating_sub(consumer.seen_ms),
        });
        GroupFigures {
            name: label(name),
            lag: stream.lag(group),
            pending: group.pending().len(),
            redeliveries: group.redeliveries(),
            oldest_pending_age_ms: age_ms(group.pending().first_id()),
            longest_idle_ms: idle_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms)),
            oldest_unread_age_ms: age_ms(find_first_unread(stream, group)),
            consumer_count: count as u64,
            consumers: consumers.collect(),
        }
    }
}

/// The ID of the first entry that is still to be delivered to a group.
fn find_first_unread(stream: &Stream, group: &Group) -> Option<StreamId> {
    let mut first = None;
    if stream.lag(group) > 0 {
        stream.scan(group.last_delivered_id.next()?, StreamId::MAX, |entry| {
            first = Some(entry.id);
            ControlFlow::Break(())
        });
    }
    first
}
