//! `proxy-http ADDR BACKEND`: forwards ordinary requests to a backend over persistent connections,
//! and returns the answers, all unchanged.

use std::cell::RefCell;
use std::env;
use std::io;

use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use polysock_bench_peers::{BoxError, listen};
use tokio::net::TcpStream;

thread_local! {
    static KEPT: RefCell<Vec<SendRequest<Incoming>>> = RefCell::default();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let backend = env::args().nth(2).ok_or(io::ErrorKind::InvalidInput)?;
    listen(move |stream| {
        let backend = backend.clone();
        async move {
            let serve = service_fn(|request| pass_on(request, &backend));
            let http = hyper::server::conn::http1::Builder::new();
            Ok(http.serve_connection(TokioIo::new(stream), serve).await?)
        }
    })
    .await
}

async fn pass_on(
    request: Request<Incoming>,
    backend: &str,
) -> Result<hyper::Response<Incoming>, BoxError> {
    let kept = KEPT.with_borrow_mut(Vec::pop);
    let mut sender = match kept {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(backend).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender
        }
    };
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    KEPT.with_borrow_mut(|kept| kept.push(sender));
    Ok(answer)
}
