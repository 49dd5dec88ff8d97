//! INFO's section on what is kept on disk.
//!
//! The fields on RDB tell of SAVE and BGSAVE, which make the append-only file durable. There is no fork, and so no
//! copy-on-write.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Lines;
use crate::command::context::Context;
use crate::log::LogStatistics;
use crate::state::Shared;

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    let log = shared.log().statistics();
    let unsaved = shared.changes().saturating_sub(shared.last_save_changes.load(Relaxed));
    lines.flag("loading", shared.loading.load(Relaxed));
    lines.zeros(&["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    lines.field("current_fork_perc", "0.00");
    lines.zeros(&["current_save_keys_processed", "current_save_keys_total"]);
    lines.field("rdb_changes_since_last_save", unsaved);
    lines.flag("rdb_bgsave_in_progress", shared.saving.load(Relaxed));
    lines.field("rdb_last_save_time", shared.last_save_s.load(Relaxed));
    lines.field("rdb_last_bgsave_status", status(shared.last_save_failed.load(Relaxed)));
    lines.field("rdb_last_bgsave_time_sec", -1);
    lines.field("rdb_current_bgsave_time_sec", -1);
    lines.field("rdb_saves", shared.saves.load(Relaxed));
    lines.field("rdb_last_cow_size", 0);
    // What is over is removed later, as any key is.
    lines.field("rdb_last_load_keys_expired", 0);
    lines.field("rdb_last_load_keys_loaded", shared.keys_from_snapshot.load(Relaxed));
    lines.flag("aof_enabled", log.is_enabled);
    write_rewrites(lines, &log);
    lines.field("aof_last_write_status", status(log.has_failed));
    lines.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if log.is_enabled {
        lines.field("aof_current_size", log.current_size_bytes);
        lines.field("aof_base_size", log.base_size_bytes);
        lines.field("aof_pending_rewrite", 0);
        lines.field("aof_buffer_length", log.buffered_bytes);
        lines.flag("aof_pending_bio_fsync", log.unsynced_bytes > 0);
        lines.field("aof_delayed_fsync", log.delayed_sync_count);
    }
    if let Some(failure) = shared.log().latched() {
        lines.field("aof_last_write_error", &failure.error);
        lines.flag("aof_last_write_error_is_final", failure.is_final);
    }
    if shared.loading.load(Relaxed) {
        write_loading(shared, lines);
    }
}

fn write_loading(shared: &Shared, lines: &mut Lines) {
    let progress = &shared.load_progress;
    let (loaded, total) = (progress.loaded_bytes.load(Relaxed), progress.total_bytes.load(Relaxed));
    let elapsed_s = shared.started.elapsed().as_secs_f64();
    let left_s = elapsed_s * total.saturating_sub(loaded) as f64 / loaded.max(1) as f64;
    lines.field("loading_start_time", shared.started_ms / 1000);
    lines.field("loading_total_bytes", total);
    lines.field("loading_rdb_used_mem", 0);
    lines.field("loading_loaded_bytes", loaded);
    lines.field("loading_loaded_perc", format_args!("{:.2}", progress.percentage()));
    lines.field("loading_eta_seconds", left_s as u64);
}

fn write_rewrites(lines: &mut Lines, log: &LogStatistics) {
    let rewrite = &log.rewrite;
    lines.flag("aof_rewrite_in_progress", rewrite.current.is_some());
    // A first rewrite that has failed is tried again.
    lines.flag("aof_rewrite_scheduled", log.awaits_base && rewrite.current.is_none());
    lines.field("aof_last_rewrite_time_sec", seconds(rewrite.last));
    lines.field("aof_current_rewrite_time_sec", seconds(rewrite.current));
    lines.field("aof_last_bgrewrite_status", status(rewrite.has_failed));
    lines.field("aof_rewrites", rewrite.count);
    lines.field("aof_rewrites_consecutive_failures", rewrite.consecutive_failures);
}

fn status(has_failed: bool) -> &'static str {
    if has_failed { "err" } else { "ok" }
}

/// Whole seconds; -1 for what there is none of.
fn seconds(duration: Option<Duration>) -> i64 {
    duration.map_or(-1, |duration| duration.as_secs().cast_signed())
}
