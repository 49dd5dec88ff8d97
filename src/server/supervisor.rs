//! What the service manager (systemd) is told: that the server is loading, ready, alive, ending. Without one, nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::state::Shared;

/// The time from one report on the loading to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// What the service manager is asked for with each report, beyond the next one: a log takes as long as it takes.
const EXTENSION: Duration = Duration::from_secs(30);
/// Within the time after which the service manager acts, it is told so many times that all is well.
const SIGNS_PER_PERIOD: u32 = 4;

/// When a worker thread last came round to its tasks, in milliseconds since this was made.
#[derive(Debug, Clone)]
pub(super) struct Heartbeat {
    started: Instant,
    at_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), at_ms: Arc::default() }
    }

    /// Beats for as long as the thread that awaits it comes round.
    async fn beat(self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.at_ms.store(self.started.elapsed().as_millis() as u64, Relaxed);
        }
    }

    /// Has the worker thread that calls it beat, where a watchdog wants that.
    pub(super) fn start(self) -> Option<JoinHandle<()>> {
        let period = watchdog_period()?;
        Some(tokio::task::spawn_local(self.beat(period / SIGNS_PER_PERIOD / 2)))
    }

    fn age(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.at_ms.load(Relaxed)))
    }
}

/// The time after which the service manager acts when it hears nothing, if it has a watchdog.
fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|period| *period >= Duration::from_millis(10))
}

fn notify(states: &[NotifyState<'_>]) {
    // Who cannot be told cannot be helped; the manager acts by itself then.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("The service manager cannot be told: {error}");
    }
}

/// Reports how far the loading has come, until this is dropped.
pub(super) async fn report_loading(shared: Arc<Shared>) {
    loop {
        let percentage = shared.load_progress.percentage();
        notify(&[
            NotifyState::Status(&format!("Loading the append-only file: {percentage:.1} %")),
            NotifyState::ExtendTimeoutUsec((REPORT_INTERVAL + EXTENSION).as_micros() as u32),
        ]);
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
}

/// The log is loaded, and all commands are served.
pub(super) fn tell_ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("Ready to accept connections")]);
}

/// The server ends.
pub(super) fn tell_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("Ending: connections close, the log is synced")]);
}

/// Tells the watchdog that all is well, as long as this thread and every worker thread come round; runs until it is dropped.
pub(super) async fn feed_watchdog(workers: Vec<Heartbeat>) {
    let Some(period) = watchdog_period() else { return };
    let mut ticks = tokio::time::interval(period / SIGNS_PER_PERIOD);
    let mut was_well = true;
    loop {
        ticks.tick().await;
        let is_well = workers.iter().all(|worker| worker.age() < period / 2);
        if is_well {
            notify(&[NotifyState::Watchdog]);
        } else if was_well {
            tracing::warn!(
                "A worker thread has been busy for long; the service manager's watchdog is not fed"
            );
        }
        was_well = is_well;
    }
}
