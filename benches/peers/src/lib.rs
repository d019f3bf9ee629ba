//! The shared part of the peers: a listener that serves each connection in a task.

use std::env;
use std::future::Future;
use std::io;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// The error of a connection, which is ignored.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Listens on the address of the first argument and serves each connection in a task of its own.
///
/// # Errors
///
/// The argument is missing, or its address cannot be listened on.
pub async fn listen<F, T>(serve: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> T,
    T: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let address = env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

/// Listens like [`listen`], and answers each HTTP/1.1 request.
///
/// # Errors
///
/// The same as for [`listen`].
pub async fn serve_http<F, T, E>(answer: F) -> io::Result<()>
where
    F: Fn(Request<Incoming>) -> T + Copy + Send + 'static,
    T: Future<Output = Result<Response<Full<Bytes>>, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    listen(move |stream| async move {
        let connection = TokioIo::new(stream);
        let served = http1::Builder::new().serve_connection(connection, service_fn(answer));
        Ok(served.await?)
    })
    .await
}
