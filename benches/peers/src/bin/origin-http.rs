//! `origin-http ADDR`: answers a request for `/SIZE` with SIZE bytes.

use std::convert::Infallible;
use std::io;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use polysock_bench_peers::serve_http;

static BYTES: [u8; 1 << 20] = [b'x'; 1 << 20];

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    serve_http(answer).await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let size = request.uri().path().trim_start_matches('/').parse();
    let bytes = BYTES.get(..size.unwrap_or(0)).unwrap_or(&BYTES);
    Ok(Response::new(Full::new(Bytes::from_static(bytes))))
}
