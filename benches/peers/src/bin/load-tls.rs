//! A load generator for TLS 1.3 with AES-128-GCM and X25519, which all compared servers support.
//!
//! ```text
//! load-tls ADDR CA MILLISECONDS websocket SIZE IN_FLIGHT CONNECTIONS    messages there and back over RFC 6455
//! load-tls ADDR CA MILLISECONDS bytes SIZE IN_FLIGHT CONNECTIONS        the same bytes, which come back as they are
//! load-tls ADDR CA MILLISECONDS handshakes full                         one after the other
//! load-tls ADDR CA MILLISECONDS handshakes resumed
//! ```
//!
//! Prints the number of messages or handshakes. Each handshake is followed by an HTTP/1.1 request
//! and its answer.

use std::cell::Cell;
use std::env;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use polysock_bench_peers::BoxError;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const OPENING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, ca, milliseconds, what, rest @ ..] = &arguments[..] else {
        return Err("ADDR CA MILLISECONDS websocket|bytes|handshakes …".into());
    };
    let mut config = config(ca)?;
    let end = Instant::now() + Duration::from_millis(milliseconds.parse()?);
    let count = Rc::new(Cell::new(0_u64));
    match (&**what, rest) {
        ("handshakes", [kind]) => {
            if kind == "full" {
                config.resumption = Resumption::disabled();
            }
            let connector = TlsConnector::from(Arc::new(config));
            while Instant::now() < end {
                ask(connect(&connector, address).await?).await?;
                count.set(count.get() + 1);
            }
        }
        ("websocket" | "bytes", [size, in_flight, connections]) => {
            let (size, in_flight) = (size.parse()?, in_flight.parse()?);
            let connector = TlsConnector::from(Arc::new(config));
            let tasks = LocalSet::new();
            for _ in 0..connections.parse()? {
                let mut stream = connect(&connector, address).await?;
                let (frame, answer) = match &**what {
                    "websocket" => {
                        open(&mut stream).await?;
                        (frame(size, true), frame(size, false).len())
                    }
                    _ => (frame(size, true), frame(size, true).len()),
                };
                let count = Rc::clone(&count);
                tasks.spawn_local(async move {
                    let frames = frame.repeat(in_flight);
                    let echoing = echo(&mut stream, &frames, answer * in_flight, || {
                        count.set(count.get() + in_flight as u64);
                    });
                    if let Ok(Err(error)) = timeout_at(end, echoing).await {
                        eprintln!("{error}");
                        std::process::exit(1);
                    }
                });
            }
            tasks.await;
        }
        _ => {
            return Err(
                "websocket|bytes SIZE IN_FLIGHT CONNECTIONS, or handshakes full|resumed".into(),
            );
        }
    }
    println!("{}", count.get());
    Ok(())
}

fn config(ca: &str) -> Result<ClientConfig, BoxError> {
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&TLS13])?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn connect(
    connector: &TlsConnector,
    address: &str,
) -> Result<TlsStream<TcpStream>, BoxError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(connector
        .connect(ServerName::try_from("localhost")?, stream)
        .await?)
}

/// Sends a request and reads its answer, and the session tickets with it, up to the end of the
/// connection.
async fn ask(mut stream: TlsStream<TcpStream>) -> Result<(), BoxError> {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Not every server sends a `close_notify`.
    let ended = stream.read_to_end(&mut answer).await;
    match answer.starts_with(b"HTTP/1.1 ") {
        true => Ok(()),
        false => Err(format!("{ended:?}: {}", String::from_utf8_lossy(&answer)).into()),
    }
}

async fn open(stream: &mut TlsStream<TcpStream>) -> Result<(), BoxError> {
    stream.write_all(OPENING.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    match answer.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&answer).into()),
    }
}

/// Returns a binary frame; the mask of a client is zero.
fn frame(size: usize, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    let mut frame = vec![0x82];
    match u16::try_from(size) {
        Ok(size @ ..=125) => frame.push(mask | size as u8),
        Ok(size) => {
            frame.push(mask | 126);
            frame.extend(size.to_be_bytes());
        }
        Err(_) => {
            frame.push(mask | 127);
            frame.extend((size as u64).to_be_bytes());
        }
    }
    if is_masked {
        frame.extend([0; 4]);
    }
    frame.resize(frame.len() + size, b'x');
    frame
}

/// Sends `frames` and waits until `answers` bytes were received, repeatedly.
async fn echo(
    stream: &mut TlsStream<TcpStream>,
    frames: &[u8],
    answers: usize,
    count: impl Fn(),
) -> Result<(), BoxError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        stream.write_all(frames).await?;
        stream.flush().await?;
        let mut left = answers;
        while left > 0 {
            let read = stream.read(&mut buffer).await?;
            if read == 0 || read > left {
                return Err(format!("{read} bytes where {left} are left").into());
            }
            left -= read;
        }
        count();
    }
}
