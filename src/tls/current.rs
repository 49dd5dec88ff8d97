//! What new connections begin with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::ServerConfig;

/// A certificate with its key, whom it is shown to, and how the two talk: what a handshake needs. Cheap to clone.
pub type TlsSetup = Arc<ServerConfig>;

/// Failed handshakes are told of in the log no more often than this.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The setup that is in force, and the handshakes that failed.
#[derive(Debug, Default)]
pub struct Tls {
    setup: RwLock<Option<TlsSetup>>,
    failures: AtomicU64,
    reported: Mutex<Option<(Instant, u64)>>,
}

impl Tls {
    /// What a new connection begins with; none before there was one.
    pub fn setup(&self) -> Option<TlsSetup> {
        self.setup.read().clone()
    }

    /// Has new connections begin with another setup. Those that are there stay as they are.
    pub fn replace(&self, setup: TlsSetup) {
        *self.setup.write() = Some(setup);
    }

    /// Counts a failed handshake. The number of those that are to be told of now, if any.
    pub fn count_failure(&self) -> Option<u64> {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        let mut reported = self.reported.lock();
        let now = Instant::now();
        let (since, told) = reported.unwrap_or((now, 0));
        let is_due = reported.is_none() || now.duration_since(since) >= REPORT_INTERVAL;
        is_due.then(|| {
            *reported = Some((now, failures));
            failures.saturating_sub(told)
        })
    }

    /// Handshakes that failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_of_once_in_a_while() {
        let tls = Tls::default();
        assert_eq!(tls.count_failure(), Some(1));
        assert_eq!([tls.count_failure(), tls.count_failure()], [None, None]);
        tls.reported.lock().as_mut().unwrap().0 -= REPORT_INTERVAL;
        assert_eq!(tls.count_failure(), Some(3));
        assert_eq!(tls.failures(), 4);
    }
}
