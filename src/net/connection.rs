//! The connection loop: read, execute what came, write.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Transport;
use super::input::{Input, give_buffer, take_buffer};

/// A blocked client may send so many bytes ahead; what it sends beyond waits in the kernel.
const BLOCKED_BYTES_MAX: usize = 1 << 20;
/// So many bytes of replies may wait for what they tell of to become safe; then nothing more is read.
const HELD_BYTES_MAX: usize = 1 << 20;
/// An output buffer that grew over this is not kept.
const OUTPUT_KEPT_BYTES_MAX: usize = 64 * 1024;

/// What a connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Reads: all whole requests are executed.
    Read,
    /// Sends what is there and goes on executing: more requests are in the buffer.
    Again,
    /// Waits for what it is blocked on.
    Wait,
    /// Sends what is there and closes.
    Close,
    /// Closes at once.
    Abort,
}

/// What requests mean. One serves all connections of a thread.
pub trait Service {
    /// A connection's state.
    type Connection;

    /// What replies depend on; that of a later reply includes that of an earlier one.
    type Mark: Copy;

    /// Executes the whole requests in `input`, consumes them, and appends their replies to `output`.
    fn execute(&self, connection: &mut Self::Connection, input: &mut Input, output: &mut Vec<u8>)
    -> Progress;

    /// What the replies so far depend on.
    fn mark(&self, connection: &Self::Connection) -> Self::Mark;

    /// Whether more requests may be executed before the replies that depend on `mark` have left.
    fn may_run_ahead(&self, mark: Self::Mark) -> bool;

    /// Whether the replies that depend on `mark` may leave now.
    fn is_settled(&self, mark: Self::Mark) -> bool;

    /// Waits until the replies that depend on `mark` may leave: what they tell of is as safe as the settings want it.
    /// `false` when it never will be: the connection is closed without them.
    fn settle(&self, mark: Self::Mark) -> impl Future<Output = bool>;

    /// Waits for what the connection is blocked on, and appends the reply.
    fn wait(&self, connection: &mut Self::Connection, output: &mut Vec<u8>) -> impl Future<Output = ()>;

    /// Returns when the connection is to be closed though it is idle or does not read.
    fn interrupted(&self, connection: &Self::Connection) -> impl Future<Output = ()>;

    /// Returns when an idle connection is to be looked after although nothing came in: something is to be
    /// sent by the next [`Self::execute`] (true), or it is to be closed (false).
    fn woken(&self, connection: &Self::Connection) -> impl Future<Output = bool>;

    /// Tells of bytes that went over the wire.
    fn count(&self, connection: &Self::Connection, read: usize, written: usize);

    /// Tells in how many buffers replies wait that may not leave yet.
    fn note_held(&self, connection: &Self::Connection, buffers: usize);

    /// The connection is closed.
    fn closed(&self, connection: Self::Connection);
}

/// Serves a connection until either side closes it.
pub async fn serve<S: Service, T: Transport>(service: &S, mut stream: T, mut connection: S::Connection) {
    // An error is the other end's going away: nothing is left to be told to it.
    let _ = run(service, &mut stream, &mut connection).await;
    service.closed(connection);
}

/// A connection that is being served.
struct Serving<'a, S: Service, T> {
    service: &'a S,
    stream: &'a mut T,
    connection: &'a mut S::Connection,
    /// Replies that wait for what they depend on, while the connection goes on.
    held: VecDeque<(Vec<u8>, S::Mark)>,
    held_bytes: usize,
}

/// The connection is to be closed without a word.
struct Closed;

impl From<io::Error> for Closed {
    /// The other end is gone: nothing is left to be told to it.
    fn from(_: io::Error) -> Self {
        Self
    }
}

async fn run<S: Service, T: Transport>(
    service: &S,
    stream: &mut T,
    connection: &mut S::Connection,
) -> Result<(), Closed> {
    let mut serving = Serving { service, stream, connection, held: VecDeque::new(), held_bytes: 0 };
    let mut input = Input::default();
    let mut output = Vec::new();
    loop {
        if output.capacity() == 0 {
            output = take_buffer();
        }
        let progress = service.execute(serving.connection, &mut input, &mut output);
        if !output.is_empty() && progress != Progress::Abort {
            let mark = service.mark(serving.connection);
            if progress == Progress::Read && service.may_run_ahead(mark) {
                serving.hold(std::mem::take(&mut output), mark);
            } else {
                serving.send_held().await?;
                serving.send(&output, mark).await?;
                output.clear();
            }
        }
        match progress {
            Progress::Abort => return Err(Closed),
            Progress::Close => {
                serving.send_held().await?;
                return serving.shut_down().await;
            }
            Progress::Again => {
                if output.capacity() > OUTPUT_KEPT_BYTES_MAX {
                    output = Vec::new();
                }
                tokio::task::yield_now().await;
            }
            Progress::Wait => {
                serving.send_held().await?;
                input.release();
                let came = tokio::select! {
                    biased;
                    () = service.wait(serving.connection, &mut output) => 0,
                    came = watch(serving.stream, &mut input) => came?,
                };
                // Something may have come in meanwhile: the wait goes on at the next turn then.
                service.count(serving.connection, came, 0);
            }
            Progress::Read => {
                input.release();
                give_buffer(std::mem::take(&mut output));
                serving.read(&mut input).await?;
            }
        }
    }
}

impl<S: Service, T: Transport> Serving<'_, S, T> {
    /// Keeps replies until they may leave.
    fn hold(&mut self, output: Vec<u8>, mark: S::Mark) {
        self.held_bytes += output.len();
        self.held.push_back((output, mark));
        self.service.note_held(self.connection, self.held.len());
    }

    /// Sends replies once they may leave.
    async fn send(&mut self, output: &[u8], mark: S::Mark) -> Result<(), Closed> {
        if !self.service.settle(mark).await {
            return Err(Closed);
        }
        let mut rest = output;
        while !rest.is_empty() {
            let written = tokio::select! {
                biased;
                written = self.stream.write(rest) => written?,
                () = self.service.interrupted(self.connection) => return Err(Closed),
            };
            if written == 0 {
                return Err(Closed);
            }
            self.service.count(self.connection, 0, written);
            rest = &rest[written..];
        }
        if T::BUFFERS_WRITES {
            tokio::select! {
                biased;
                flushed = self.stream.flush() => flushed?,
                () = self.service.interrupted(self.connection) => return Err(Closed),
            }
        }
        Ok(())
    }

    /// Closes in order.
    async fn shut_down(&mut self) -> Result<(), Closed> {
        tokio::select! {
            biased;
            closed = self.stream.shutdown() => Ok(closed?),
            () = self.service.interrupted(self.connection) => Err(Closed),
        }
    }

    /// Sends all replies that are held.
    async fn send_held(&mut self) -> Result<(), Closed> {
        while let Some((output, mark)) = self.held.pop_front() {
            self.held_bytes -= output.len();
            self.service.note_held(self.connection, self.held.len());
            self.send(&output, mark).await?;
            give_buffer(output);
        }
        Ok(())
    }

    /// Sends those replies that may leave now, in one go.
    async fn send_settled(&mut self) -> Result<(), Closed> {
        let Some((mut output, mark)) = self.held.pop_front() else { return Ok(()) };
        self.held_bytes -= output.len();
        while let Some((next, _)) = self.held.pop_front_if(|(_, mark)| self.service.is_settled(*mark)) {
            self.held_bytes -= next.len();
            output.extend_from_slice(&next);
            give_buffer(next);
        }
        self.service.note_held(self.connection, self.held.len());
        self.send(&output, mark).await?;
        give_buffer(output);
        Ok(())
    }

    /// Reads what comes next; replies that are held leave meanwhile, as soon as they may.
    async fn read(&mut self, input: &mut Input) -> Result<(), Closed> {
        let service = self.service;
        loop {
            let first = self.held.front().map(|(_, mark)| *mark);
            let may_read = self.held_bytes < HELD_BYTES_MAX
                && self.held.back().is_none_or(|(_, mark)| service.may_run_ahead(*mark));
            let first_settled = async {
                match first {
                    Some(mark) => service.settle(mark).await,
                    None => std::future::pending().await,
                }
            };
            let read = tokio::select! {
                biased;
                may_leave = first_settled => if may_leave { None } else { return Err(Closed) },
                read = read(self.stream, input), if may_read => Some(read?),
                has_more = service.woken(self.connection), if self.held_bytes < HELD_BYTES_MAX => {
                    return if has_more { Ok(()) } else { Err(Closed) };
                }
                () = service.interrupted(self.connection), if self.held_bytes >= HELD_BYTES_MAX => {
                    return Err(Closed);
                }
            };
            match read {
                None => self.send_settled().await?,
                Some(0) => {
                    // The other end may still read.
                    self.send_held().await?;
                    return Err(Closed);
                }
                Some(read) => {
                    service.count(self.connection, read, 0);
                    return Ok(());
                }
            }
        }
    }
}

/// Reads what is there; 0 at the end. No buffer is taken before something is there.
async fn read(stream: &mut impl Transport, input: &mut Input) -> io::Result<usize> {
    poll_fn(|context| stream.poll_readable(context)).await?;
    stream.read_buf(input.for_reading()).await
}

/// Reads ahead while the connection is blocked, up to a bound; fails when the other end is gone.
async fn watch(stream: &mut impl Transport, input: &mut Input) -> io::Result<usize> {
    if input.bytes().len() >= BLOCKED_BYTES_MAX {
        return std::future::pending().await;
    }
    match read(stream, input).await? {
        0 => Err(io::ErrorKind::ConnectionAborted.into()),
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::timeout;

    use super::*;

    /// Answers each byte with so many of it; replies leave once they are released.
    #[derive(Default)]
    struct Echo {
        executed: Cell<usize>,
        released: Cell<usize>,
        changed: Notify,
        reply_bytes: usize,
    }

    impl Echo {
        fn release(&self, bytes: usize) {
            self.released.set(bytes);
            self.changed.notify_waiters();
        }

        async fn await_executed(&self, bytes: usize) {
            let waiting = async {
                while self.executed.get() < bytes {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(Duration::from_secs(30), waiting).await.expect("it is executed");
        }
    }

    impl Service for Echo {
        type Connection = ();
        /// The number of bytes that were executed by then.
        type Mark = usize;

        fn execute(&self, (): &mut (), input: &mut Input, output: &mut Vec<u8>) -> Progress {
            for byte in input.bytes() {
                output.extend(std::iter::repeat_n(*byte, self.reply_bytes));
            }
            let count = input.bytes().len();
            let ends = input.bytes().contains(&b'!');
            input.consume(count);
            self.executed.set(self.executed.get() + count);
            if ends { Progress::Close } else { Progress::Read }
        }

        fn mark(&self, (): &()) -> usize {
            self.executed.get()
        }

        fn may_run_ahead(&self, mark: usize) -> bool {
            !self.is_settled(mark)
        }

        fn is_settled(&self, mark: usize) -> bool {
            mark <= self.released.get()
        }

        async fn settle(&self, mark: usize) -> bool {
            while !self.is_settled(mark) {
                self.changed.notified().await;
            }
            true
        }

        async fn wait(&self, (): &mut (), _: &mut Vec<u8>) {}

        async fn interrupted(&self, (): &()) {
            std::future::pending().await
        }

        async fn woken(&self, (): &()) -> bool {
            std::future::pending().await
        }

        fn count(&self, (): &(), _: usize, _: usize) {}

        fn note_held(&self, (): &(), _: usize) {}

        fn closed(&self, (): ()) {}
    }

    /// Has `test` talk to a service.
    fn with_service<F: Future>(reply_bytes: usize, test: impl FnOnce(Rc<Echo>, TcpStream) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let service = Rc::new(Echo { reply_bytes, ..Echo::default() });
            let serving = service.clone();
            let task = spawn_local(async move { serve(&*serving, stream, ()).await });
            test(service, client).await;
            timeout(Duration::from_secs(30), task).await.expect("the connection ends").unwrap();
        });
    }

    #[test]
    fn requests_are_executed_while_replies_are_held() {
        with_service(1, |service, mut client| async move {
            for (count, text) in [b"ab", b"cd", b"ef"].into_iter().enumerate() {
                client.write_all(text).await.unwrap();
                service.await_executed(2 * (count + 1)).await;
            }
            let mut reply = [0; 8];
            let nothing = timeout(Duration::from_millis(20), client.read(&mut reply)).await;
            assert!(nothing.is_err(), "no reply leaves before it may");
            service.release(4);
            client.read_exact(&mut reply[..4]).await.unwrap();
            assert_eq!(&reply[..4], b"abcd");
            let nothing = timeout(Duration::from_millis(20), client.read(&mut reply)).await;
            assert!(nothing.is_err(), "no reply leaves before it may");
            // What closes the connection, and an end of what the client sends, come after all replies.
            client.write_all(b"g!").await.unwrap();
            service.await_executed(8).await;
            service.release(8);
            client.read_exact(&mut reply[..4]).await.unwrap();
            assert_eq!(&reply[..4], b"efg!");
            assert_eq!(client.read(&mut reply).await.unwrap(), 0);
        });
    }

    #[test]
    fn replies_that_are_held_outlive_the_end_of_requests() {
        with_service(1, |service, mut client| async move {
            client.write_all(b"abc").await.unwrap();
            service.await_executed(3).await;
            client.shutdown().await.unwrap();
            service.release(3);
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).await.unwrap();
            assert_eq!(reply, b"abc");
        });
    }

    #[test]
    fn replies_that_are_held_are_bounded() {
        const REPLY_BYTES: usize = HELD_BYTES_MAX / 4;
        with_service(REPLY_BYTES, |service, mut client| async move {
            for count in 1..=4 {
                client.write_all(b"a").await.unwrap();
                service.await_executed(count).await;
            }
            client.write_all(b"b").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(service.executed.get(), 4, "there is no room for a further reply");
            service.release(5);
            let mut reply = vec![0; 5 * REPLY_BYTES];
            client.read_exact(&mut reply).await.unwrap();
            assert!(reply[..4 * REPLY_BYTES].iter().all(|byte| *byte == b'a'));
            assert!(reply[4 * REPLY_BYTES..].iter().all(|byte| *byte == b'b'));
            client.shutdown().await.unwrap();
        });
    }
}
