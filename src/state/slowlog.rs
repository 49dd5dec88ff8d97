//! The commands that took long (SLOWLOG).

use std::collections::VecDeque;

use parking_lot::Mutex;

/// A command that took long.
#[derive(Debug, Clone)]
pub struct SlowCommand {
    /// Its number, never given twice.
    pub id: u64,
    /// When it was executed, in seconds since the Unix epoch.
    pub time_s: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its arguments, the first ones, shortened.
    pub args: Vec<Vec<u8>>,
    /// Where its client came from.
    pub peer: String,
    /// What its client called itself.
    pub client_name: Vec<u8>,
}

impl SlowCommand {
    /// The most arguments that are kept; the last one then tells how many more there were.
    const ARGS_MAX: usize = 32;
    /// The most bytes of an argument that are kept; what is longer ends with how much more there was.
    const ARG_BYTES_MAX: usize = 128;

    /// Shortens a request's arguments to what is kept of them.
    pub fn shorten<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let len = args.len();
        let kept = if len > Self::ARGS_MAX { Self::ARGS_MAX - 1 } else { len };
        let mut shortened: Vec<Vec<u8>> = args.take(kept).map(Self::shorten_one).collect();
        if kept < len {
            shortened.push(format!("... ({} more arguments)", len - kept).into_bytes());
        }
        shortened
    }

    fn shorten_one(arg: &[u8]) -> Vec<u8> {
        match arg.len().checked_sub(Self::ARG_BYTES_MAX) {
            None | Some(0) => arg.to_vec(),
            Some(more) => {
                let mut kept = arg[..Self::ARG_BYTES_MAX].to_vec();
                kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                kept
            }
        }
    }
}

/// The last commands that took long, the newest first.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    commands: VecDeque<SlowCommand>,
    next_id: u64,
}

impl SlowLog {
    /// Adds a command, whose number is given here, and drops the oldest beyond `max`.
    pub fn add(&self, mut command: SlowCommand, max: usize) {
        let mut inner = self.0.lock();
        command.id = inner.next_id;
        inner.next_id += 1;
        inner.commands.push_front(command);
        inner.commands.truncate(max);
    }

    /// The newest commands, at most `max`.
    pub fn newest(&self, max: usize) -> Vec<SlowCommand> {
        self.0.lock().commands.iter().take(max).cloned().collect()
    }

    /// How many commands are kept.
    pub fn len(&self) -> usize {
        self.0.lock().commands.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().commands.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_requests_are_shortened() {
        let long = vec![b'a'; 130];
        let args = vec![long.as_slice(); 40];
        let kept = SlowCommand::shorten(args.iter().copied());
        assert_eq!(kept.len(), 32);
        assert_eq!(kept[0], [&long[..128], b"... (2 more bytes)"].concat());
        assert_eq!(kept[31], b"... (9 more arguments)");
        let args: [&[u8]; 2] = [b"xlen", b"key"];
        assert_eq!(SlowCommand::shorten(args.into_iter()), args);
    }
}
