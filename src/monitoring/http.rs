//! The port: `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::scrape::scrape;
use crate::state::Shared;

/// So many connections at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// What a client may take to send its request,
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// and until it has read the answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// After an error of the system (most often too many open files) accepting pauses for this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Prometheus's text format.
const METRICS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers on sockets that listen, in a thread of its own, which goes on until the process ends.
///
/// # Errors
/// The thread, or its event loop, cannot be had.
pub fn start(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        runtime.spawn(accept(shared.clone(), listener, connections.clone()));
    }
    std::thread::Builder::new()
        .name("metrics".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(())
}

async fn accept(shared: Arc<Shared>, listener: tokio::net::TcpListener, connections: Arc<Semaphore>) {
    // It is never closed.
    while let Ok(permit) = connections.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("Accepting a connection for metrics failed: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| std::future::ready(answer(&shared, &request)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIME_MAX)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that is slow or breaks the protocol is closed; it knows why.
            let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection).await;
            drop(permit);
        });
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&(Method::GET | Method::HEAD), "/metrics") => (StatusCode::OK, METRICS_TEXT, scrape(shared)),
        (&(Method::GET | Method::HEAD), "/healthz") => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
        (&(Method::GET | Method::HEAD), "/readyz") => match find_obstacle(shared) {
            None => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
            Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, (obstacle + "\n").into_bytes()),
        },
        (&(Method::GET | Method::HEAD), _) => {
            (StatusCode::NOT_FOUND, TEXT, b"There are /metrics, /healthz and /readyz\n".to_vec())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, TEXT, b"Only GET\n".to_vec()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Why the server should not be sent commands, if so.
fn find_obstacle(shared: &Shared) -> Option<String> {
    if shared.stopping.load(Relaxed) {
        return Some("the server ends".to_owned());
    }
    if shared.loading.load(Relaxed) {
        return Some(format!("loading the append-only file: {:.1} %", shared.load_progress.percentage()));
    }
    let failure = shared.log().latched()?;
    Some(format!("writes are refused: {}", failure.error))
}
