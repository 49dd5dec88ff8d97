//! What is told of the server, its commands, its log.

use std::sync::atomic::Ordering::Relaxed;

use super::streams::{GroupFigures, StreamFigures, Survey};
use super::text::Exposition;
use crate::command::table;
use crate::config::settings;
use crate::metrics::{CommandCounters, Counter, HistogramCounts, LockCounts};
use crate::process;
use crate::state::Shared;

/// All metrics, in Prometheus's text format. While the log is loaded, which has the data locked, nothing is told of streams.
pub(super) fn scrape(shared: &Shared) -> Vec<u8> {
    let mut out = Exposition::default();
    write_server(&mut out, shared);
    write_commands(&mut out, shared);
    write_locks(&mut out, shared);
    write_log(&mut out, shared);
    if !shared.loading.load(Relaxed) {
        let survey = Survey::take(shared);
        write_keyspace(&mut out, &survey);
        write_streams(&mut out, &survey.streams);
        write_groups(&mut out, &survey.streams);
        write_consumers(&mut out, &survey.streams);
    }
    out.into_text()
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn write_server(out: &mut Exposition, shared: &Shared) {
    let metrics = &shared.metrics;
    out.gauges("millstream_build_info", "Always 1; the label is the version.")
        .add(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    out.gauge(
        "millstream_start_time_seconds",
        "When the server started, since the Unix epoch.",
        shared.started_ms as f64 / 1e3,
    );
    out.gauge(
        "millstream_loading",
        "Whether the append-only file is being loaded.",
        flag(shared.loading.load(Relaxed)),
    );
    let progress = &shared.load_progress;
    out.gauge(
        "millstream_loading_loaded_bytes",
        "Bytes of the append-only file that the start has loaded.",
        progress.loaded_bytes.load(Relaxed) as f64,
    );
    out.gauge(
        "millstream_loading_total_bytes",
        "Bytes that the start has to load.",
        progress.total_bytes.load(Relaxed) as f64,
    );
    out.gauge("millstream_connections", "Connected clients.", shared.clients.len() as f64);
    out.gauge(
        "millstream_blocked_clients",
        "Clients that wait in a blocking command.",
        shared.blocked_clients() as f64,
    );
    out.gauge(
        "millstream_connections_max",
        "The setting maxclients.",
        shared.config.integer(settings::MAXCLIENTS) as f64,
    );
    out.counter(
        "millstream_connections_received_total",
        "Connections accepted.",
        metrics.connections_received.load(Relaxed),
    );
    out.counter(
        "millstream_connections_rejected_total",
        "Connections refused, since there were too many.",
        metrics.connections_rejected.load(Relaxed),
    );
    out.counter(
        "millstream_tls_handshake_failures_total",
        "Connections that did not come to speak TLS.",
        shared.tls.failures(),
    );
    out.gauge(
        "millstream_memory_used_bytes",
        "Memory that is allocated.",
        shared.allocator().allocated as f64,
    );
    out.gauge(
        "millstream_memory_peak_bytes",
        "The most memory that was allocated.",
        shared.peak_memory_bytes.load(Relaxed) as f64,
    );
    out.gauge(
        "millstream_memory_resident_bytes",
        "Memory that the system backs.",
        process::resident_bytes() as f64,
    );
    out.gauge(
        "millstream_memory_max_bytes",
        "The setting maxmemory; 0 is no limit.",
        shared.config.memory(settings::MAXMEMORY) as f64,
    );
    let cpu = process::cpu_times().process;
    let mut seconds = out.counters("millstream_cpu_seconds_total", "CPU time used.");
    seconds.add(&[("mode", "user")], cpu.user);
    seconds.add(&[("mode", "system")], cpu.system);
    drop(seconds);
    out.counter(
        "millstream_network_input_bytes_total",
        "Bytes read from clients.",
        metrics.sum(|worker| worker.net_input_bytes.get()),
    );
    out.counter(
        "millstream_network_output_bytes_total",
        "Bytes written to clients.",
        metrics.sum(|worker| worker.net_output_bytes.get()),
    );
    out.counter(
        "millstream_keyspace_hits_total",
        "Lookups of keys that were there.",
        metrics.sum(|worker| worker.keyspace_hits.get()),
    );
    out.counter(
        "millstream_keyspace_misses_total",
        "Lookups of keys that were not there.",
        metrics.sum(|worker| worker.keyspace_misses.get()),
    );
    out.counter(
        "millstream_expired_keys_total",
        "Keys removed since their time was up.",
        metrics.sum(|worker| worker.expired_keys.get()),
    );
    let mut errors = out
        .counters("millstream_error_replies_total", "Replies that were errors, by the error's first word.");
    for (code, count) in metrics.errors() {
        errors.add(&[("code", &super::label::label(code.as_bytes()))], count as f64);
    }
}

/// Those that were called or refused.
fn write_commands(out: &mut Exposition, shared: &Shared) {
    let sum = |index: usize, counter: fn(&CommandCounters) -> &Counter| {
        shared.metrics.sum(|worker| counter(&worker.commands[index]).get())
    };
    let mut write_counters = |name: &str, help: &str, counter: fn(&CommandCounters) -> &Counter| {
        let mut family = out.counters(name, help);
        for command in table().iter() {
            let count = sum(command.index, counter);
            if count > 0 {
                family.add(&[("command", &command.full_name)], count as f64);
            }
        }
    };
    write_counters("millstream_command_calls_total", "Executions of a command.", |counters| &counters.calls);
    write_counters(
        "millstream_command_failed_total",
        "Executions of a command that answered with an error.",
        |counters| &counters.failed,
    );
    write_counters(
        "millstream_command_rejected_total",
        "Refusals of a command before its execution.",
        |counters| &counters.rejected,
    );
    let mut durations = out.histograms(
        "millstream_command_duration_seconds",
        "How long executions of a command took. Fast commands that follow each other in one batch are timed together, and each counts with their mean.",
    );
    for command in table().iter() {
        let counts = shared.metrics.durations(command.index);
        if counts.count() > 0 {
            durations.add_durations(&[("command", &command.full_name)], &counts);
        }
    }
}

fn write_locks(out: &mut Exposition, shared: &Shared) {
    let locks = shared.metrics.locks_of_all();
    let mut write = |name: &str, help: &str, value: fn(&LockCounts) -> f64| {
        let mut family = out.counters(name, help);
        locks.iter().for_each(|(kind, counts)| family.add(&[("lock", kind)], value(counts)));
    };
    write(
        "millstream_lock_acquisitions_total",
        "How often worker threads took a lock that they share.",
        |c| c.acquisitions as f64,
    );
    write("millstream_lock_contended_total", "How often another thread had it, and was waited for.", |c| {
        c.contended as f64
    });
    write("millstream_lock_wait_seconds_total", "How long other threads were waited for.", |c| {
        c.wait_ns as f64 / 1e9
    });
    write(
        "millstream_lock_timed_total",
        "Acquisitions that were timed until their release, a sample.",
        |c| c.timed as f64,
    );
    write("millstream_lock_timed_held_seconds_total", "How long these held the lock.", |c| {
        c.held_ns as f64 / 1e9
    });
}

fn write_log(out: &mut Exposition, shared: &Shared) {
    let log = shared.log().statistics();
    out.gauge("millstream_log_enabled", "Whether there is an append-only file.", flag(log.is_enabled));
    out.gauge(
        "millstream_log_latched",
        "Whether a write or a sync of the append-only file has failed, because of which writes are refused.",
        flag(log.has_failed),
    );
    out.gauge(
        "millstream_log_size_bytes",
        "The size of the append-only file.",
        log.current_size_bytes as f64,
    );
    out.gauge(
        "millstream_log_base_size_bytes",
        "The size of the append-only file when it was opened, or rewritten last.",
        log.base_size_bytes as f64,
    );
    out.gauge(
        "millstream_log_buffered_bytes",
        "Bytes that are yet to be written to the append-only file.",
        log.buffered_bytes as f64,
    );
    out.gauge(
        "millstream_log_unsynced_bytes",
        "Bytes that are written to the append-only file and yet to be synced.",
        log.unsynced_bytes as f64,
    );
    let mut syncs = HistogramCounts::default();
    shared.log().add_sync_durations(&mut syncs);
    out.histograms("millstream_log_sync_duration_seconds", "How long syncs of the append-only file took.")
        .add_durations(&[], &syncs);
    out.counter(
        "millstream_log_delayed_syncs_total",
        "Syncs under appendfsync everysec that took longer than the time between two.",
        log.delayed_sync_count,
    );
    let rewrite = &log.rewrite;
    out.gauge(
        "millstream_log_rewrite_in_progress",
        "Whether the append-only file is being rewritten.",
        flag(rewrite.current.is_some()),
    );
    out.counter(
        "millstream_log_rewrites_total",
        "Rewrites of the append-only file that were begun.",
        rewrite.count,
    );
    out.gauge(
        "millstream_log_rewrite_failures",
        "Rewrites of the append-only file that have failed since the last that did not.",
        rewrite.consecutive_failures as f64,
    );
}

fn write_keyspace(out: &mut Exposition, survey: &Survey) {
    let mut keys = out.gauges("millstream_keys", "Keys of a database.");
    for (db, count, _) in &survey.databases {
        keys.add(&[("db", &db.to_string())], *count as f64);
    }
    drop(keys);
    let mut expiring = out.gauges("millstream_expiring_keys", "Keys of a database that have an expiry time.");
    for (db, _, count) in &survey.databases {
        expiring.add(&[("db", &db.to_string())], *count as f64);
    }
    drop(expiring);
    out.gauge("millstream_streams", "Streams.", survey.stream_count as f64);
    let untold = survey.stream_count.saturating_sub(survey.streams.len() as u64);
    out.gauge(
        "millstream_streams_untold",
        "Streams of which nothing is told, since metrics-streams-max larger ones are there.",
        untold as f64,
    );
    out.gauge(
        "millstream_groups_untold",
        "Groups of which nothing is told, since there are too many.",
        survey.groups_untold as f64,
    );
    out.gauge(
        "millstream_consumers_untold",
        "Consumers of which nothing is told, since there are too many.",
        survey.consumers_untold as f64,
    );
}

fn write_streams(out: &mut Exposition, streams: &[StreamFigures]) {
    let mut write = |name: &str, help: &str, is_counter: bool, value: fn(&StreamFigures) -> u64| {
        let mut family = if is_counter { out.counters(name, help) } else { out.gauges(name, help) };
        for stream in streams {
            family.add(&[("db", &stream.db), ("stream", &stream.key)], value(stream) as f64);
        }
    };
    write("millstream_stream_entries", "Entries of a stream.", false, |stream| stream.entries);
    write("millstream_stream_bytes", "Memory that a stream takes, with its groups.", false, |stream| {
        stream.bytes
    });
    write("millstream_stream_entries_added_total", "Entries ever added to a stream.", true, |stream| {
        stream.entries_added
    });
    write("millstream_stream_groups", "Groups of a stream.", false, |stream| stream.group_count);
}

fn write_groups(out: &mut Exposition, streams: &[StreamFigures]) {
    let mut write = |name: &str, help: &str, is_counter: bool, value: fn(&GroupFigures) -> f64| {
        let mut family = if is_counter { out.counters(name, help) } else { out.gauges(name, help) };
        for (stream, group) in
            streams.iter().flat_map(|stream| stream.groups.iter().map(move |group| (stream, group)))
        {
            family.add(&[("db", &stream.db), ("stream", &stream.key), ("group", &group.name)], value(group));
        }
    };
    write("millstream_group_lag", "Entries that are yet to be delivered to a group.", false, |group| {
        group.lag as f64
    });
    write(
        "millstream_group_pending",
        "Entries that were delivered to a group and not acknowledged.",
        false,
        |group| group.pending as f64,
    );
    write("millstream_group_consumers", "Consumers of a group.", false, |group| group.consumer_count as f64);
    write(
        "millstream_group_redeliveries_total",
        "Deliveries of entries that the group had been delivered before.",
        true,
        |group| group.redeliveries as f64,
    );
    write(
        "millstream_group_oldest_pending_age_seconds",
        "Age of a group's first pending entry, by the time in its ID; 0 when none is pending.",
        false,
        |group| seconds(group.oldest_pending_age_ms),
    );
    write(
        "millstream_group_longest_idle_seconds",
        "How long the pending entry that was not delivered for the longest time was not; 0 when none is with a consumer.",
        false,
        |group| seconds(group.longest_idle_ms),
    );
    write(
        "millstream_group_oldest_unread_age_seconds",
        "Age of the first entry that is yet to be delivered to a group, by the time in its ID; 0 when there is none.",
        false,
        |group| seconds(group.oldest_unread_age_ms),
    );
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

fn write_consumers(out: &mut Exposition, streams: &[StreamFigures]) {
    for (name, help) in [
        ("millstream_consumer_pending", "Entries that were delivered to a consumer and not acknowledged."),
        ("millstream_consumer_idle_seconds", "How long ago a consumer last asked for anything."),
    ] {
        let mut family = out.gauges(name, help);
        for stream in streams {
            for group in &stream.groups {
                for consumer in &group.consumers {
                    let is_pending = name == "millstream_consumer_pending";
                    let value = if is_pending { consumer.pending as f64 } else { seconds(consumer.idle_ms) };
                    let labels: [(&'static str, &str); 4] = [
                        ("db", &stream.db),
                        ("stream", &stream.key),
                        ("group", &group.name),
                        ("consumer", &consumer.name),
                    ];
                    family.add(&labels, value);
                }
            }
        }
    }
}
