//! `origin-grip ADDR`: a web app of WebSocket-over-HTTP that subscribes each client to the channel
//! `room` and echoes its messages.

use std::io;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, SEC_WEBSOCKET_EXTENSIONS};
use hyper::{Request, Response};
use polysock_bench_peers::serve_http;

const OPEN: &[u8] = b"OPEN\r\n";
const SUBSCRIBE: &[u8] = b"TEXT 27\r\nc:{\"type\":\"subscribe\",\"channel\":\"room\"}\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    serve_http(answer).await
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let events = request.into_body().collect().await?.to_bytes();
    let answer = if events == OPEN {
        Bytes::from([OPEN, SUBSCRIBE].concat())
    } else {
        events
    };
    let answer = Response::builder()
        .header(CONTENT_TYPE, "application/websocket-events")
        .header(SEC_WEBSOCKET_EXTENSIONS, "grip; message-prefix=\"\"")
        .body(Full::new(answer));
    Ok(answer.unwrap_or_default())
}
