//! INFO's section on CPU time.

use super::Lines;
use crate::command::context::Context;
use crate::process;

pub(super) fn write(_: &mut Context<'_, '_>, lines: &mut Lines) {
    let times = process::cpu_times();
    for (what, seconds) in
        [("", times.process), ("_children", times.children), ("_main_thread", times.main_thread)]
    {
        lines.field(&format!("used_cpu_sys{what}"), format_args!("{:.6}", seconds.system));
        lines.field(&format!("used_cpu_user{what}"), format_args!("{:.6}", seconds.user));
    }
}
