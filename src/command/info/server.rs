//! INFO's section on the program and the machine.

use super::Lines;
use crate::clock;
use crate::command::context::Context;
use crate::config::{Config, settings};

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    let config = &shared.config;
    let [port, tls_port] = [settings::PORT, settings::TLS_PORT].map(|port| config.integer(port));
    let now_us = clock::unix_us();
    let uptime_s = shared.started.elapsed().as_secs();
    let system = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    lines.field("redis_version", crate::REDIS_VERSION);
    lines.field("redis_git_sha1", "00000000");
    lines.field("redis_git_dirty", 0);
    lines.field("redis_mode", "standalone");
    lines.field("millstream_version", env!("CARGO_PKG_VERSION"));
    lines.field(
        "os",
        format_args!("{} {} {}", word(system.sysname()), word(system.release()), word(system.machine())),
    );
    lines.field("arch_bits", usize::BITS);
    lines.field("monotonic_clock", "POSIX clock_gettime");
    lines.field("multiplexing_api", "epoll");
    lines.field("process_id", std::process::id());
    let is_supervised = std::env::var_os("NOTIFY_SOCKET").is_some();
    lines.field("process_supervised", if is_supervised { "systemd" } else { "no" });
    lines.field("run_id", &shared.run_id);
    lines.field("tcp_port", if port == 0 { tls_port } else { port });
    lines.field("server_time_usec", now_us);
    lines.field("uptime_in_seconds", uptime_s);
    lines.field("uptime_in_days", uptime_s / 86_400);
    let hz = config.integer(settings::HZ);
    lines.field("hz", hz);
    lines.field("configured_hz", hz);
    lines.field("lru_clock", (now_us / 1_000_000) & 0xff_ffff);
    let executable = std::env::current_exe().unwrap_or_default();
    lines.field("executable", executable.display());
    lines.field("config_file", config.file().map(|file| file.display().to_string()).unwrap_or_default());
    lines.flag("io_threads_active", false);
    lines.field("worker_threads", shared.workers);
    write_listeners(config, lines);
}

/// Where the server listens.
fn write_listeners(config: &Config, lines: &mut Lines) {
    let bind: String =
        config.text(settings::BIND).split_ascii_whitespace().map(|name| format!(",bind={name}")).collect();
    let mut listeners = Vec::new();
    let add_port = |name: &str, setting| {
        let port = config.integer(setting);
        (port != 0).then(|| format!("name={name}{bind},port={port}"))
    };
    listeners.extend(add_port("tcp", settings::PORT));
    let path = config.text(settings::UNIXSOCKET);
    if !path.is_empty() {
        listeners.push(format!("name=unix,bind={path}"));
    }
    listeners.extend(add_port("tls", settings::TLS_PORT));
    for (number, listener) in listeners.iter().enumerate() {
        lines.field(&format!("listener{number}"), listener);
    }
}
