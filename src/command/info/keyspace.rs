//! INFO's section on databases.

use super::Lines;
use crate::command::context::Context;

/// Databases that hold keys.
pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let now_ms = context.keys.now_ms;
    for db in 0..context.shared.store.databases() {
        let (mut keys, mut expiring, mut ttl_sum_ms) = (0, 0, 0_u128);
        for (_, shard) in context.keys.shards().iter_mut() {
            let part = &shard.dbs[db];
            keys += part.len();
            expiring += part.expiring_len();
            ttl_sum_ms += u128::from(part.average_ttl_ms(now_ms)) * part.expiring_len() as u128;
        }
        if keys == 0 {
            continue;
        }
        let ttl_ms = ttl_sum_ms.checked_div(expiring as u128).unwrap_or(0);
        lines.field(&format!("db{db}"), format_args!("keys={keys},expires={expiring},avg_ttl={ttl_ms}"));
    }
}
