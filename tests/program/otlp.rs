//! Spans, as received by a trace collector.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{RFC6455, field, with};
use prost::Message;

use crate::POLYSOCK;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Starts a collector, and returns the requests that it receives.
fn collector() -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || collect(Client::over(stream.unwrap()), &sender));
        }
    });
    (address, requests)
}

/// Receives the only request of a connection.
fn collect(mut client: Client, sender: &Sender<ExportTraceServiceRequest>) {
    let head = client.head();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "content-type"), Some("application/x-protobuf"));
    let len = field(&head, "content-length").unwrap().parse().unwrap();
    let body = client.take(len);
    let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    // The test may have stopped receiving.
    let _ = sender.send(request);
    client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// Returns all spans that a collector has received up to the end of a server.
fn spans(requests: &Receiver<ExportTraceServiceRequest>) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in requests.try_iter() {
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap();
            assert_eq!(attributes(&resource.attributes)["service.name"], "polysock");
            for of_scope in of_resource.scope_spans {
                assert_eq!(of_scope.scope.unwrap().name, "polysock");
                spans.extend(of_scope.spans);
            }
        }
    }
    spans
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        Value::DoubleValue(_) => Some("a double".to_owned()),
        _ => None,
    };
    let pairs = attributes.iter();
    pairs
        .map(|pair| (&*pair.key, text(&pair.value).unwrap()))
        .collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_handshake_is_a_span_and_the_close_another_that_is_linked_to_it() {
    let (address, requests) = collector();
    let url = format!("http://{address}");
    let mut server = POLYSOCK.echo(&["--otlp", &url, "--origin", "http://a"]);
    let fields = |flags: &str, origin: &str| {
        format!(
            "User-Agent: Kiosk/1.0\r\nOrigin: {origin}\r\ntraceparent: 00-{TRACE}-{PARENT}-{flags}\r\n"
        )
    };
    let request = RFC6455.replace("/chat", "/chat?token=s3cr3t");
    let request = with(&request, &fields("01", "http://a"));
    let (mut client, _) = server.answers(request, 101);
    client.send(frame(0x81, "hello"));
    client.take(7);
    client.send(close(1000));
    client.rest();
    let port = client.address().port().to_string();
    // A client whose trace is not sampled causes no span.
    drop(server.answers(with(RFC6455, &fields("00", "http://a")), 101));
    // A handshake that its route refuses, and an invalid one.
    drop(server.answers(with(RFC6455, &fields("01", "http://b")), 403));
    let keyless = RFC6455.replace("Sec-WebSocket-Key", "X-Key");
    drop(server.answers(keyless, 400));
    server.stop();

    let spans = spans(&requests);
    let of = |name: &str, status: &str| {
        let mut found = spans.iter().filter(|span| {
            let attributes = attributes(&span.attributes);
            let said = attributes.get("http.response.status_code");
            span.name == name && said.map_or("", String::as_str) == status
        });
        let span = found.next().unwrap_or_else(|| panic!("{spans:#?}"));
        assert_eq!(found.next(), None);
        span
    };
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let opened = of("websocket handshake", "101");
    let closed = of("websocket close", "");
    assert_eq!(
        (&*hex(&opened.trace_id), &*hex(&opened.parent_span_id)),
        (TRACE, PARENT)
    );
    assert_eq!(opened.kind, 2, "a server's");
    assert!(opened.start_time_unix_nano <= opened.end_time_unix_nano);
    let of_opened = attributes(&opened.attributes);
    let of_closed = attributes(&closed.attributes);
    for (name, value) in [
        ("network.protocol.name", "websocket"),
        ("network.protocol.version", "13"),
        ("polysock.protocol", "rfc6455"),
        ("polysock.transport", "tcp"),
        ("polysock.origin", "http://a"),
        ("url.path", "/chat"),
        ("url.query", "token=***"),
        ("client.address", "127.0.0.1"),
        ("client.port", &port),
        ("user_agent.original", "Kiosk/1.0"),
    ] {
        assert_eq!(of_opened[name], value, "{name}");
        assert_eq!(of_closed[name], value, "{name}");
    }
    assert_eq!(
        of_opened["polysock.connection.id"],
        of_closed["polysock.connection.id"]
    );
    for (name, value) in [
        ("polysock.close.code", "1000"),
        ("polysock.close.by", "client"),
        ("polysock.close.clean", "true"),
        ("polysock.received", "19"),
        ("polysock.sent", "11"),
        ("polysock.messages_received", "1"),
        ("polysock.messages_sent", "1"),
        ("polysock.seconds", "a double"),
    ] {
        assert_eq!(of_closed[name], value, "{name}");
        assert!(!of_opened.contains_key(name), "{name}");
    }
    // The close has a trace of its own.
    assert_eq!(closed.parent_span_id, b"");
    assert_ne!(closed.trace_id, opened.trace_id);
    let [link] = &closed.links[..] else {
        panic!("{closed:?}");
    };
    assert_eq!(
        (&link.trace_id, &link.span_id),
        (&opened.trace_id, &opened.span_id)
    );

    let rejected = of("websocket handshake", "403");
    assert_eq!(
        (&*hex(&rejected.trace_id), &*hex(&rejected.parent_span_id)),
        (TRACE, PARENT)
    );
    assert_ne!(rejected.span_id, opened.span_id);
    let of_rejected = attributes(&rejected.attributes);
    assert_eq!(of_rejected["error.type"], "application");
    assert_eq!(of_rejected["url.path"], "/chat");
    assert_eq!(of_rejected["user_agent.original"], "Kiosk/1.0");
    let refused = of("websocket handshake", "400");
    assert_eq!(attributes(&refused.attributes)["error.type"], "key");
    assert_eq!(
        (&*refused.parent_span_id, refused.trace_id.len()),
        (&b""[..], 16)
    );
}

#[test]
fn spans_without_a_collector_are_reported_and_delay_nothing() {
    // The first collector does not listen, or the second does not answer.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [&silent, &gone].map(|listener| listener.local_addr().unwrap());
    drop(gone);
    for (address, is_told) in addresses.into_iter().zip([false, true]) {
        let url = format!("http://{address}");
        let mut server = POLYSOCK.echo(&["--otlp", &url]);
        for _ in 0..3 {
            let mut client = server.websocket();
            client.send(frame(0x81, "hello"));
            client.take(7);
        }
        if is_told {
            let line = server.log_line("spans cannot be sent");
            assert!(line.contains("and are lost: "), "{line}");
        }
        let began = Instant::now();
        let log = server.stop();
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        assert!(log.contains("spans were lost count=6"), "{log}");
    }
}
