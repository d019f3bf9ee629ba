//! A protocol, an upstream and an application that are added to Polysock from outside.
//!
//! The protocol `lines-1` is announced by `Sec-WebSocket-Version: 99` and encodes each text message
//! as a line. The upstream is a clock in this process. The application sends each client a greeting
//! and then the upstream's first message.
//!
//! `cargo run --example custom_protocol` runs the server and a client, and prints the lines that
//! the client receives.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use futures_core::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use polysock::protocols::http::{Head, HeadWriter};
use polysock::protocols::{
    Accept, Capabilities, CloseForm, Codec, Context, Dial, DialError, Dialer, EncodeError, Event,
    HandshakeError, Kind, Masking, Match, Opening, Piece, Protocol, ProtocolError, Request,
    Responder, Role, WriteBuf,
};
use polysock::upstream::{Client, Connected, Upstream, UpstreamError};
use polysock::{
    Application, BoxError, Connection, ConnectionOptions, Gateway, Handshake, PortSettings, Site,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

/// A custom protocol.
#[derive(Debug)]
struct Lines;

impl Protocol for Lines {
    fn name(&self) -> &'static str {
        "lines-1"
    }

    fn version(&self) -> Option<u8> {
        Some(99)
    }

    fn spoken_by(&self) -> &'static str {
        "this example"
    }

    fn capabilities(&self) -> Capabilities {
        LinesCodec.capabilities()
    }

    fn masking(&self) -> Masking {
        Masking::None
    }

    fn recognise(&self, head: &Head) -> Match {
        match head.value("sec-websocket-version") {
            Some(b"99") => Match::Yes,
            _ => Match::No("its Sec-WebSocket-Version is not 99"),
        }
    }

    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        let request = Request::read(self, head, context.secure)?;
        let responder = Box::new(LinesResponder);
        Ok(Opening { request, responder })
    }

    fn dial(&self, _dial: &Dial, _context: &Context) -> Result<Box<dyn Dialer>, DialError> {
        Err(DialError::Unsupported(
            "anything: lines-1 has no client yet",
        ))
    }
}

#[derive(Debug)]
struct LinesResponder;

impl Responder for LinesResponder {
    fn respond(
        &mut self,
        _accept: &Accept,
        _src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        HeadWriter::new(dst, "HTTP/1.1 101 Switching Protocols")
            .field("Upgrade", "websocket")
            .field("Connection", "Upgrade")
            .finish();
        Ok(Some(Box::new(LinesCodec)))
    }
}

#[derive(Debug)]
struct LinesCodec;

impl Codec for LinesCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let Some(end) = src.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let payload = src.split_to(end).freeze();
        src.advance(1);
        let kind = Kind::Text;
        Ok(Some(Event::Data(Piece {
            kind,
            payload,
            end: true,
        })))
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        match event {
            Event::Data(piece) if piece.kind == Kind::Text => {
                dst.put(piece.payload);
                if piece.end {
                    dst.put_u8(b'\n');
                }
                Ok(())
            }
            Event::Close(_) => Ok(()),
            Event::Data(_) | Event::Ping(_) | Event::Pong(_) => {
                let event = "anything but text";
                Err(EncodeError::Unsupported {
                    event,
                    protocol: "lines-1",
                })
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: false,
            ping: false,
            close: CloseForm::Eof,
        }
    }
}

/// A custom upstream: a clock in this process, at the other end of a pipe with our protocol.
#[derive(Debug)]
struct Clock;

impl Upstream for Clock {
    fn connect<'a>(
        &'a self,
        _client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        let (ours, theirs) = duplex(1024);
        let over = |end, role| {
            let options = ConnectionOptions::new("lines-1", role);
            Connection::over(end, Box::new(LinesCodec), options)
        };
        let mut clock = over(theirs, Role::Server);
        tokio::spawn(async move { clock.send("tick".into()).await });
        Box::pin(async move { Ok(over(ours, Role::Client).into()) })
    }
}

/// A custom application.
struct Greeter {
    upstream: Arc<dyn Upstream>,
}

impl Application for Greeter {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let upstream = Arc::clone(&self.upstream);
        Box::pin(async move {
            let client = Client {
                request: handshake.request(),
                peer: handshake.peer(),
            };
            let mut clock = upstream.connect(client).await?.connection;
            let mut client = handshake.accept(Accept::default()).await?;
            let greeting = format!("hello over {}", client.protocol());
            client.send(greeting.into()).await?;
            if let Some(time) = clock.next().await.transpose()? {
                client.send(time).await?;
            }
            Ok(client.close(None).await?)
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let upstream = Arc::new(Clock);
    let port = TcpListener::bind("127.0.0.1:0").await?;
    let address = port.local_addr()?;
    let mut settings = PortSettings::default();
    settings.protocols.push(&Lines);
    let gateway = Gateway::with_site(Site::new(Greeter { upstream }), settings);
    tokio::spawn(gateway.serve(port, std::future::pending(), Default::default()));

    let mut client = TcpStream::connect(address).await?;
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 99\r\n\r\n";
    client.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    let (_, lines) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert_eq!(lines, "hello over lines-1\ntick\n");
    std::io::Write::write_all(&mut std::io::stdout(), lines.as_bytes())?;
    Ok(())
}
