//! INFO's section on replication. There are no replicas.

use super::Lines;
use crate::command::context::Context;
use crate::config::settings;

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    lines.field("role", "master");
    lines.field("connected_slaves", 0);
    lines.field("master_failover_state", "no-failover");
    lines.field("master_replid", shared.replication_id.lock());
    lines.field("master_replid2", "0".repeat(40));
    lines.field("master_repl_offset", 0);
    lines.field("second_repl_offset", -1);
    lines.flag("repl_backlog_active", false);
    lines.field("repl_backlog_size", shared.config.memory(settings::REPL_BACKLOG_SIZE));
    lines.zeros(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}
