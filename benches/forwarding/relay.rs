//! A client in memory, relayed to a WebSocket server on the loopback.
//!
//! The client sends a burst when it has the answers to the previous one, and the server answers
//! with prepared frames. So the order of events is the same in each run, and almost only the relay
//! is counted.

use std::io;

use bytes::BytesMut;
use polysock::apps::Relay;
use polysock::protocols::http::HeadLimits;
use polysock::protocols::{Context, Limits, Negotiated, Negotiation, PROTOCOLS};
use polysock::upstream::{self, UpstreamSettings};
use polysock::{Accept, Gateway, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use crate::rfc6455::{RFC6455, masked_frame};

/// The number of messages in a burst.
const BURST: usize = 16;

/// Relays `count` bursts to the server and back.
pub(crate) async fn run(count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let settings = UpstreamSettings::default();
    let upstream = upstream::parse(&format!("ws://{address}/"), settings).expect("an upstream");
    let gateway = Gateway::new(Relay::new(upstream));
    let (client, accepted) = duplex(64 * 1024);
    let relay =
        tokio::spawn(async move { gateway.serve_connection(accepted, Peer::default()).await });
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        answer(stream, count).await
    });
    ask(client, count).await.expect("the client is served");
    server
        .await
        .expect("no panic")
        .expect("the server is asked");
    relay.await.expect("no panic");
}

/// Sends `count` bursts, each when the previous one has been answered.
async fn ask(mut stream: DuplexStream, count: usize) -> io::Result<()> {
    stream.write_all(RFC6455.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let burst = masked_frame(2, 64).repeat(BURST);
    let mut answers = answers();
    for _ in 0..count {
        stream.write_all(&burst).await?;
        stream.read_exact(&mut answers).await?;
    }
    Ok(())
}

/// Answers `count` bursts, and waits for the close.
async fn answer(mut stream: TcpStream, count: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    shake_hands(&mut stream).await?;
    let mut burst = masked_frame(2, 64).repeat(BURST);
    let answers = answers();
    for _ in 0..count {
        stream.read_exact(&mut burst).await?;
        stream.write_all(&answers).await?;
    }
    stream.read(&mut burst).await.map(drop)
}

/// Performs the server's side of an opening handshake.
async fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    let context = Context {
        secure: false,
        limits: Limits::default(),
        compression: None,
        entropy: |bytes| bytes.fill(0),
    };
    let mut negotiation = Negotiation::new(PROTOCOLS, HeadLimits::default());
    let (mut incoming, mut answer) = (BytesMut::new(), BytesMut::new());
    loop {
        stream.read_buf(&mut incoming).await?;
        let negotiated = negotiation.advance(&mut incoming);
        if let Some(Negotiated::WebSocket(recognised)) = negotiated.expect("a good request") {
            let mut opening = recognised.open(&context).expect("a valid one");
            let accept = Accept::default();
            let codec = opening
                .responder
                .respond(&accept, &mut incoming, &mut answer);
            codec.expect("it can be accepted").expect("in one step");
            return stream.write_all(&answer).await;
        }
    }
}

/// Returns a burst of a server, whose frames are not masked.
fn answers() -> Vec<u8> {
    [&[0x82, 64][..], &[b'x'; 64]].concat().repeat(BURST)
}
