//! The hot paths, each run as often as it is told: `cargo bench --bench hot_paths -- CASE COUNT`.
//!
//! No time is measured here. `benches/instructions` runs each case under callgrind, which counts
//! the same instructions on any day.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use flate2::{Compress, Compression, FlushCompress};
use polysock::apps::echo;
use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, Pages, Settings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client in memory: its opening handshake, then the same burst of frames again and again.
#[derive(Debug)]
struct Client {
    handshake: Vec<u8>,
    burst: Vec<u8>,
    left: usize,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.handshake.is_empty() {
            buf.put_slice(&std::mem::take(&mut self.handshake));
        } else if self.left > 0 {
            self.left -= 1;
            buf.put_slice(&self.burst);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A masked frame of RFC 6455 with a payload of `len` bytes.
fn masked_frame(opcode: u8, len: usize) -> Vec<u8> {
    masked(0x80 | opcode, &vec![b'x'; len])
}

/// A masked frame with this first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short @ ..126) => frame.push(0x80 | short.to_be_bytes()[1]),
        Ok(short) => {
            frame.push(0x80 | 126);
            frame.extend(short.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    let unmasked = payload.iter().zip(mask.iter().cycle());
    frame.extend(unmasked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// The same for a text of `len` bytes, compressed by itself.
fn deflated_frame(len: usize) -> Vec<u8> {
    let entry =
        |number: usize| format!("{{\"id\":{number},\"price\":{}.99}},", number * number % 97);
    let text: String = (0..len).map(entry).collect();
    let mut stream = Compress::new(Compression::default(), false);
    let mut deflated = Vec::with_capacity(len + 64);
    let text = text.as_bytes().get(..len).unwrap_or_default();
    let flush = FlushCompress::Sync;
    let written = stream.compress_vec(text, &mut deflated, flush);
    written.expect("deflate takes any input");
    // The end of a flush is left out.
    deflated.truncate(deflated.len() - 4);
    masked(0xc1, &deflated)
}

/// `00 … FF`.
fn hixie_frame(len: usize) -> Vec<u8> {
    [&[0][..], &vec![b'x'; len], &[0xff]].concat()
}

const RFC6455: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const RFC6455_DEFLATE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
const HIXIE76: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\n\
    Connection: Upgrade\r\nOrigin: http://localhost\r\nSec-WebSocket-Key1: 1 2\r\n\
    Sec-WebSocket-Key2: 3 3\r\n\r\n12345678";

/// The opening handshake and the burst of a case.
fn case(name: &str) -> Option<(&'static str, Vec<u8>)> {
    Some(match name {
        "echo-64x1" => (RFC6455, masked_frame(2, 64)),
        "echo-64x16" => (RFC6455, masked_frame(2, 64).repeat(16)),
        "echo-text-64x16" => (RFC6455, masked_frame(1, 64).repeat(16)),
        "echo-1024x16" => (RFC6455, masked_frame(2, 1024).repeat(16)),
        "echo-16384x3" => (RFC6455, masked_frame(2, 16384).repeat(3)),
        "echo-deflate-1024x16" => (RFC6455_DEFLATE, deflated_frame(1024).repeat(16)),
        "hixie-64x16" => (HIXIE76, hixie_frame(64).repeat(16)),
        // An opening handshake and a close: one connection a round.
        "handshake" => (RFC6455, b"\x88\x82\0\0\0\0\x03\xe8".to_vec()),
        "handshake-hixie-76" => (HIXIE76, b"\xff\0".to_vec()),
        _ => return None,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_else(|| "echo-64x16".into());
    let count = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1000);
    let Some((handshake, burst)) = case(&name) else {
        eprintln!("there is no case `{name}`");
        std::process::exit(2);
    };
    let settings = Settings {
        protocols: PROTOCOLS.to_vec(),
        ..Settings::default()
    };
    let gateway = Gateway::with_settings(echo, settings, Pages::default());
    let rounds = if name.starts_with("handshake") {
        count
    } else {
        1
    };
    for _ in 0..rounds {
        let client = Client {
            handshake: handshake.as_bytes().to_vec(),
            burst: burst.clone(),
            left: count / rounds,
        };
        gateway.serve_connection(client).await;
    }
}
