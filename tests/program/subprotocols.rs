//! The selection of subprotocols, in every protocol.

use std::net::TcpListener;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use polysock::apps::Relay;
use polysock::protocols::http::Head;
use polysock::protocols::{
    Capabilities, CloseForm, Codec, Context, Dial, DialError, Dialer, HandshakeError, Masking,
    Match, Opening, PROTOCOLS, Protocol, RawCodec, Request, Responder,
};
use polysock::upstream::{TcpUpstream, UpstreamSettings};
use polysock::{Accept, BoxError, Gateway, Handshake, Message, PortSettings, Site, SiteSettings};
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial;
use polysock_test_support::gateway;
use polysock_test_support::opening::{HIXIE_75, HIXIE_76, HIXIE_76_BODY, versioned, with};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// The form in which a protocol offers subprotocols, and whether the answer repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// A single string, even if it is a list. WebKit requires it back unchanged (draft-hixie-76,
    /// "Sec-WebSocket-Protocol").
    Verbatim,
    /// A list with spaces (draft 01 §1.6).
    Spaces,
    /// A list with commas, on any number of lines (RFC 6455 §11.3.4).
    Commas,
}

/// The protocol, the value of its version field, and its spelling.
const CLIENTS: [(&str, &str, Spelling); 11] = [
    ("hixie-75", "", Spelling::Verbatim),
    ("hixie-76", "", Spelling::Verbatim),
    ("hybi-01", "1", Spelling::Spaces),
    ("hybi-02", "2", Spelling::Spaces),
    ("hybi-03", "3", Spelling::Spaces),
    ("hybi-04", "4", Spelling::Commas),
    ("hybi-05", "5", Spelling::Commas),
    ("hybi-06", "6", Spelling::Commas),
    ("hybi-07", "7", Spelling::Commas),
    ("hybi-10", "8", Spelling::Commas),
    ("rfc6455", "13", Spelling::Commas),
];

/// Returns the server's answer to a client of this protocol whose offer has these lines.
fn answer(server: &Server, protocol: &str, version: &str, lines: &[&str]) -> Option<String> {
    let name = if protocol == "hixie-75" {
        "WebSocket-Protocol"
    } else {
        "Sec-WebSocket-Protocol"
    };
    let fields: String = lines
        .iter()
        .map(|line| format!("{name}: {line}\r\n"))
        .collect();
    let request = match protocol {
        "hixie-75" => with(HIXIE_75, &fields).into_bytes(),
        "hixie-76" => [with(HIXIE_76, &fields).as_bytes(), HIXIE_76_BODY].concat(),
        "hybi-01" | "hybi-02" | "hybi-03" => {
            let fields = format!("Sec-WebSocket-Draft: {version}\r\n{fields}");
            [with(HIXIE_76, &fields).as_bytes(), HIXIE_76_BODY].concat()
        }
        _ => versioned(version, &fields).into_bytes(),
    };
    let (_client, head) = server.ask(request);
    assert!(head.starts_with("HTTP/1.1 101 "), "{protocol}: {head}");
    let values: Vec<_> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(field, _)| field.to_ascii_lowercase().ends_with("websocket-protocol"))
        .collect();
    assert!(values.iter().all(|(field, _)| *field == name), "{head}");
    assert!(values.len() <= 1, "{protocol}: {head}");
    values.first().map(|(_, value)| (*value).to_owned())
}

#[test]
fn a_gateway_selects_its_preferred_offered_subprotocol() {
    let list = ["--subprotocol", "v3,v2", "--subprotocol", "v1"];
    let server = POLYSOCK.echo(&list);
    for (protocol, version, spelling) in CLIENTS {
        let answer = |lines: &[&str]| answer(&server, protocol, version, lines);
        for (lines, expected) in [
            (&["v1"][..], Some("v1")),
            (&["other"], None),
            // Names are case-sensitive.
            (&["V1"], None),
            (&[], None),
        ] {
            assert_eq!(answer(lines).as_deref(), expected, "{protocol}: {lines:?}");
        }
        let rows: &[(&[&str], &str)] = match spelling {
            Spelling::Verbatim => &[(&["v1, other, v2"], "v1, other, v2")],
            Spelling::Spaces => &[(&["v1 other v2"], "v2")],
            Spelling::Commas => &[
                (&["v1, other,v2"], "v2"),
                (&["v1", "other", "v2"], "v2"),
                (&["v1,other", "v2, v3"], "v3"),
            ],
        };
        for (lines, expected) in rows {
            assert_eq!(
                answer(lines).as_deref(),
                Some(*expected),
                "{protocol}: {lines:?}"
            );
        }
    }
}

#[test]
fn without_a_list_the_clients_preference_counts() {
    let server = POLYSOCK.echo(&[]);
    for (protocol, version, spelling) in CLIENTS {
        let (lines, expected): (&[&str], _) = match spelling {
            Spelling::Verbatim => (&["b, a"], "b, a"),
            Spelling::Spaces => (&["b a"], "b"),
            Spelling::Commas => (&["b", "a"], "b"),
        };
        let chosen = answer(&server, protocol, version, lines);
        assert_eq!(chosen.as_deref(), Some(expected), "{protocol}");
        assert_eq!(answer(&server, protocol, version, &[]), None, "{protocol}");
    }
}

#[test]
fn a_byte_stream_is_sent_as_base64_to_protocols_without_binary() {
    // The upstream only needs to accept the connection.
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", upstream.local_addr().unwrap());
    let all = ["--protocols", "all", &url];
    let ours = [&all[..], &["--subprotocol", "mqtt,base64,binary"]].concat();
    for (arguments, protocol, version, offer, expected) in [
        (&all[..], "hixie-75", "", "binary, base64", Some("base64")),
        (&all, "hixie-76", "", "binary, base64", Some("base64")),
        (&all, "hixie-76", "", "binary", Some("binary")),
        (&all, "hybi-10", "8", "binary, base64", Some("binary")),
        (&all, "rfc6455", "13", "base64", Some("base64")),
        (&all, "rfc6455", "13", "other, binary", Some("other")),
        (&ours, "hixie-76", "", "mqtt, base64", Some("base64")),
        (&ours, "rfc6455", "13", "base64, mqtt", Some("mqtt")),
        (&ours, "rfc6455", "13", "binary, other", Some("binary")),
        (&ours, "rfc6455", "13", "other", None),
    ] {
        let server = POLYSOCK.serve(arguments);
        let chosen = answer(&server, protocol, version, &[offer]);
        assert_eq!(chosen.as_deref(), expected, "{protocol}: {offer}");
    }
}

/// An application that sends the offer that it received.
async fn tell(handshake: Handshake) -> Result<(), BoxError> {
    let request = handshake.request();
    let offered = request.subprotocols.join(" ");
    let accept = Accept {
        subprotocol: request.subprotocols.last().cloned(),
        ..Accept::default()
    };
    let mut connection = handshake.accept(accept).await?;
    connection.send(Message::text(offered)).await?;
    Ok(connection.close(None).await?)
}

/// An application that accepts with a subprotocol that clients may not have offered.
async fn insist(handshake: Handshake) -> Result<(), BoxError> {
    let accept = Accept {
        subprotocol: Some("base64".into()),
        ..Accept::default()
    };
    let mut connection = handshake.accept(accept).await?;
    let agreed = connection.subprotocol().map(ToString::to_string);
    let told = agreed.unwrap_or_else(|| "none".into());
    connection.send(Message::text(told)).await?;
    Ok(connection.close(None).await?)
}

/// Returns a client's negotiated subprotocol and its first message.
async fn told(
    protocol: &str,
    address: std::net::SocketAddr,
    offered: &[&str],
) -> (Option<String>, Message) {
    let mut client = dial(protocol, address, offered).await;
    let agreed = client.subprotocol().map(ToString::to_string);
    (agreed, client.next().await.unwrap().unwrap())
}

fn gateway(application: impl polysock::Application, subprotocols: &[&str]) -> std::net::SocketAddr {
    let site = Site::new(application).with_settings(SiteSettings {
        subprotocols: subprotocols.iter().map(|name| (*name).into()).collect(),
        ..SiteSettings::default()
    });
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    gateway::serve(Gateway::with_site(site, settings))
}

#[tokio::test]
async fn an_upstream_selects_from_the_offer_as_filtered_by_the_gateway() {
    let server = gateway(tell, &[]);
    for (scheme, expected, agreed) in [
        ("ws", "v2 v1", "v1"),
        ("ws+hybi03", "v2 v1", "v1"),
        // hixie-76 can offer only one.
        ("ws+hixie76", "v2", "v2"),
    ] {
        let url = format!("{scheme}://{server}");
        let relay = POLYSOCK.serve(&["--protocols", "all", "--subprotocol", "v2,v1", &url]);
        let offered = ["v1", "other", "v2"];
        let (chosen, message) = told("rfc6455", relay.address, &offered).await;
        assert_eq!(chosen.as_deref(), Some(agreed), "{scheme}");
        assert_eq!(message.as_text(), Some(expected), "{scheme}");
        let (chosen, message) = told("rfc6455", relay.address, &["other"]).await;
        assert_eq!(chosen, None, "{scheme}");
        assert_eq!(message.as_text(), Some(""), "{scheme}");
    }
}

#[tokio::test]
async fn an_application_sees_and_selects_only_offered_subprotocols() {
    let narrow = gateway(tell, &["v2", "v1"]);
    let (chosen, message) = told("rfc6455", narrow, &["v1", "other", "v2"]).await;
    assert_eq!(chosen.as_deref(), Some("v1"));
    assert_eq!(message.as_text(), Some("v2 v1"));

    let insisting = gateway(insist, &[]);
    for protocol in PROTOCOLS {
        let name = protocol.name();
        // A message in base64 would not be this text.
        let (chosen, message) = told(name, insisting, &[]).await;
        assert_eq!(chosen, None, "{name}");
        assert_eq!(message.as_text(), Some("none"), "{name}");
        let (chosen, message) = told(name, insisting, &["base64"]).await;
        assert_eq!(chosen.as_deref(), Some("base64"), "{name}");
        assert_eq!(message.as_bytes(), b"base64", "{name}");
    }
}

/// A third party's protocol, which has no binary messages and is not in the built-in list.
#[derive(Debug)]
struct Texts;

impl Protocol for Texts {
    fn name(&self) -> &'static str {
        "texts"
    }

    fn version(&self) -> Option<u8> {
        Some(98)
    }

    fn spoken_by(&self) -> &'static str {
        "this test"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: false,
            ping: false,
            close: CloseForm::Eof,
        }
    }

    fn masking(&self) -> Masking {
        Masking::None
    }

    fn recognise(&self, head: &Head) -> Match {
        match head.value("sec-websocket-version") {
            Some(b"98") => Match::Yes,
            _ => Match::No("its Sec-WebSocket-Version is not 98"),
        }
    }

    fn open(&'static self, head: Head, context: &Context) -> Result<Opening, HandshakeError> {
        let mut request = Request::read(self, head, context.secure)?;
        request.subprotocols = vec!["chat".into(), "base64".into()];
        Ok(Opening {
            request,
            responder: Box::new(Self),
        })
    }

    fn dial(&self, _: &Dial, _: &Context) -> Result<Box<dyn Dialer>, DialError> {
        Err(DialError::Unsupported("anything"))
    }
}

impl Responder for Texts {
    fn respond(
        &mut self,
        accept: &Accept,
        _src: &mut BytesMut,
        dst: &mut BytesMut,
    ) -> Result<Option<Box<dyn Codec>>, HandshakeError> {
        let chosen = accept.subprotocol.as_deref().unwrap_or_default();
        dst.extend_from_slice(format!("HTTP/1.1 101 OK\r\nChosen: {chosen}\r\n\r\n").as_bytes());
        Ok(Some(RawCodec::boxed()))
    }
}

#[test]
fn a_byte_stream_is_sent_as_base64_to_a_custom_text_protocol() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", upstream.local_addr().unwrap());
    let upstream = TcpUpstream::parse(&url, UpstreamSettings::default()).unwrap();
    let mut settings = PortSettings::default();
    settings.protocols.push(&Texts);
    let relay = Relay::new(Arc::new(upstream));
    let gateway = gateway::serve(Gateway::with_site(Site::new(relay), settings));
    let mut client = Client::connect(gateway);
    client.send(versioned("98", ""));
    assert_eq!(client.head(), "HTTP/1.1 101 OK\r\nChosen: base64\r\n\r\n");
}
