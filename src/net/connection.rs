//! The connection loop: read, execute what came, write.

use std::future::poll_fn;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::input::{Input, give_buffer, take_buffer};

/// A blocked client may send so many bytes ahead; what it sends beyond waits in the kernel.
const BLOCKED_BYTES_MAX: usize = 1 << 20;
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
}

/// What requests mean. One serves all connections of a thread.
pub trait Service {
    /// A connection's state.
    type Connection;

    /// Executes the whole requests in `input`, consumes them, and appends their replies to `output`.
    fn execute(&self, connection: &mut Self::Connection, input: &mut Input, output: &mut Vec<u8>)
    -> Progress;

    /// Waits until the replies may leave: what they tell of is as safe as the settings want it.
    /// `false` when it never will be: the connection is closed without them.
    fn settle(&self, connection: &mut Self::Connection) -> impl Future<Output = bool>;

    /// Waits for what the connection is blocked on, and appends the reply.
    fn wait(&self, connection: &mut Self::Connection, output: &mut Vec<u8>) -> impl Future<Output = ()>;

    /// Returns when the connection is to be closed though it is idle or does not read.
    fn interrupted(&self, connection: &Self::Connection) -> impl Future<Output = ()>;

    /// Tells of bytes that went over the wire.
    fn count(&self, connection: &Self::Connection, read: usize, written: usize);

    /// The connection is closed.
    fn closed(&self, connection: Self::Connection);
}

/// Serves a connection until either side closes it.
pub async fn serve<S: Service>(service: &S, mut stream: TcpStream, mut connection: S::Connection) {
    // An error is the other end's going away: nothing is left to be told to it.
    let _ = run(service, &mut stream, &mut connection).await;
    service.closed(connection);
}

async fn run<S: Service>(
    service: &S,
    stream: &mut TcpStream,
    connection: &mut S::Connection,
) -> io::Result<()> {
    let mut input = Input::default();
    let mut output = Vec::new();
    loop {
        if output.capacity() == 0 {
            output = take_buffer();
        }
        let progress = service.execute(connection, &mut input, &mut output);
        if !output.is_empty() {
            if !service.settle(connection).await {
                return Ok(());
            }
            tokio::select! {
                biased;
                written = stream.write_all(&output) => written?,
                () = service.interrupted(connection) => return Ok(()),
            }
            service.count(connection, 0, output.len());
            output.clear();
        }
        match progress {
            Progress::Close => {
                return stream.shutdown().await;
            }
            Progress::Again => {
                if output.capacity() > OUTPUT_KEPT_BYTES_MAX {
                    output = Vec::new();
                }
                tokio::task::yield_now().await;
            }
            Progress::Wait => {
                input.release();
                let came = tokio::select! {
                    biased;
                    () = service.wait(connection, &mut output) => 0,
                    came = watch(stream, &mut input) => came?,
                };
                service.count(connection, came, 0);
                if came > 0 {
                    // Something came in meanwhile: the wait goes on at the next turn.
                    continue;
                }
            }
            Progress::Read => {
                input.release();
                give_buffer(std::mem::take(&mut output));
                let read = tokio::select! {
                    biased;
                    read = read(stream, &mut input) => read?,
                    () = service.interrupted(connection) => return Ok(()),
                };
                if read == 0 {
                    return Ok(());
                }
                service.count(connection, read, 0);
            }
        }
    }
}

/// Reads what is there; 0 at the end. No buffer is taken before something is there.
async fn read(stream: &mut TcpStream, input: &mut Input) -> io::Result<usize> {
    poll_fn(|context| stream.poll_read_ready(context)).await?;
    stream.read_buf(input.for_reading()).await
}

/// Reads ahead while the connection is blocked, up to a bound; fails when the other end is gone.
async fn watch(stream: &mut TcpStream, input: &mut Input) -> io::Result<usize> {
    if input.bytes().len() >= BLOCKED_BYTES_MAX {
        return std::future::pending().await;
    }
    match read(stream, input).await? {
        0 => Err(io::ErrorKind::ConnectionAborted.into()),
        read => Ok(read),
    }
}
