//! INFO's section on memory.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Lines;
use crate::command::context::Context;
use crate::command::memory::figures::{self, MemoryFigures, difference};
use crate::config::{Handle, settings};
use crate::process;
use crate::script::Figures;

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    let config = &shared.config;
    let figures = MemoryFigures::measure(shared);
    let MemoryFigures { allocator, resident, peak, startup, clients, log_buffer } = figures;
    let (used, dataset) = (figures.used(), figures.dataset());
    let system = process::system_bytes();
    let maxmemory = config.memory(settings::MAXMEMORY);
    write_sized(lines, "used_memory", used);
    write_sized(lines, "used_memory_rss", resident);
    write_sized(lines, "used_memory_peak", peak);
    lines.field("used_memory_peak_perc", percent(used, peak));
    lines.field("used_memory_overhead", figures.overhead());
    lines.field("used_memory_startup", startup);
    lines.field("used_memory_dataset", dataset);
    lines.field("used_memory_dataset_perc", percent(dataset, used.saturating_sub(startup)));
    lines.field("allocator_allocated", used);
    lines.field("allocator_active", allocator.active);
    lines.field("allocator_resident", allocator.resident);
    write_sized(lines, "total_system_memory", system);
    write_scripts(lines, &shared.scripting.figures);
    write_sized(lines, "maxmemory", maxmemory);
    lines.field("maxmemory_policy", config.render(settings::MAXMEMORY_POLICY.id()));
    lines.field("allocator_frag_ratio", ratio(allocator.active, used));
    lines.field("allocator_frag_bytes", difference(allocator.active, used));
    lines.field("allocator_rss_ratio", ratio(allocator.resident, allocator.active));
    lines.field("allocator_rss_bytes", difference(allocator.resident, allocator.active));
    lines.field("rss_overhead_ratio", ratio(resident, allocator.resident));
    lines.field("rss_overhead_bytes", difference(resident, allocator.resident));
    lines.field("mem_fragmentation_ratio", ratio(resident, used));
    lines.field("mem_fragmentation_bytes", difference(resident, used));
    lines.field("mem_not_counted_for_evict", log_buffer);
    lines.zeros(&["mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves"]);
    lines.field("mem_clients_normal", clients);
    lines.field("mem_cluster_links", 0);
    lines.field("mem_aof_buffer", log_buffer);
    lines.field("mem_allocator", process::allocator_name());
    lines.field("active_defrag_running", 0);
    // What is removed is freed at once.
    lines.zeros(&["lazyfree_pending_objects", "lazyfreed_objects"]);
}

/// What scripts and functions take.
fn write_scripts(lines: &mut Lines, figures: &Figures) {
    let load = |figure: &AtomicUsize| figure.load(Relaxed) as u64;
    let (eval, functions) = (load(&figures.script_vm_bytes), load(&figures.function_vm_bytes));
    let (scripts, libraries) = (load(&figures.script_bytes), load(&figures.library_bytes));
    lines.field("used_memory_lua", eval);
    lines.field("used_memory_vm_eval", eval);
    lines.field("used_memory_lua_human", human(eval));
    lines.field("used_memory_scripts_eval", scripts);
    lines.field("number_of_cached_scripts", load(&figures.scripts));
    lines.field("number_of_functions", load(&figures.functions));
    lines.field("number_of_libraries", load(&figures.libraries));
    lines.field("used_memory_vm_functions", functions);
    lines.field("used_memory_vm_total", eval + functions);
    lines.field("used_memory_vm_total_human", human(eval + functions));
    lines.field("used_memory_functions", libraries);
    lines.field("used_memory_scripts", scripts + libraries);
    lines.field("used_memory_scripts_human", human(scripts + libraries));
}

/// A size, and the same for people to read.
fn write_sized(lines: &mut Lines, name: &str, bytes: u64) {
    lines.field(name, bytes);
    lines.field(&format!("{name}_human"), human(bytes));
}

/// A size in the largest unit of which there is one.
fn human(bytes: u64) -> String {
    const UNITS: [(u32, char); 5] = [(50, 'P'), (40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    let unit = UNITS.iter().find(|(shift, _)| bytes >> shift > 0);
    match unit {
        Some((shift, unit)) => format!("{:.2}{unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes}B"),
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", figures::percent(part, whole))
}

fn ratio(a: u64, b: u64) -> String {
    format!("{:.2}", figures::ratio(a, b))
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_for_people() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_782_968, "1.70M"),
            (25_276_063_744, "23.54G"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), expected);
        }
    }
}
