//! The items that may be published, and the errors for others.

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::field;
use polysock_test_support::server::Server;
use serde_json::{Value, json};

use super::{Publisher, message, text};
use crate::POLYSOCK;

/// Starts a broadcast on the channel `t`, with a client and a publisher.
fn listener() -> (Server, Client, Publisher) {
    let mut server = POLYSOCK.serve(&["app:broadcast/t", "--publish", "127.0.0.1:0"]);
    let publisher = Publisher::of(&mut server);
    let mut client = server.websocket();
    // A client that has received its own message has joined.
    client.send(frame(0x81, "here"));
    client.expect(unmasked(0x81, "here"));
    (server, client, publisher)
}

#[test]
fn an_item_is_delivered_in_its_format() {
    let (_server, mut client, publisher) = listener();
    for (what, item, heard) in [
        (
            "a text",
            text("t", "h\u{e9} \u{2603}"),
            unmasked(0x81, "h\u{e9} \u{2603}"),
        ),
        ("an empty text", text("t", ""), unmasked(0x81, "")),
        (
            "bytes",
            message("t", &json!({"content-bin": "AP8="})),
            unmasked(0x82, b"\0\xff"),
        ),
        (
            "no bytes",
            message("t", &json!({"content-bin": ""})),
            unmasked(0x82, ""),
        ),
        (
            "a text by bytes",
            message("t", &json!({"content-bin": "aGk=", "type": "text"})),
            unmasked(0x81, "hi"),
        ),
        (
            "bytes by a text",
            message("t", &json!({"content": "hi", "type": "binary"})),
            unmasked(0x82, "hi"),
        ),
        (
            "all that may be said beside",
            json!({
                "channel": "t", "id": "all-1", "meta": {"any": "thing"},
                "formats": {
                    "ws-message": {"content": "beside", "action": "send"},
                    "http-stream": {"content": "x\n"},
                    "http-response": {"code": 200, "headers": {"A": "b"}, "body": "x"},
                    "of-tomorrow": 7,
                },
            }),
            unmasked(0x81, "beside"),
        ),
        (
            "no formats around it",
            json!({"channel": "t", "ws-message": {"content": "flat"}}),
            unmasked(0x81, "flat"),
        ),
    ] {
        for path in ["/publish/", "/publish"] {
            let mut item = item.clone();
            if let Some(id) = item.get_mut("id") {
                *id = json!(format!("{what} {path}"));
            }
            let told = publisher.post(path, json!({"items": [item]}).to_string());
            assert_eq!(
                (told.status, &*told.body),
                (200, "Published\n"),
                "{what}: {told:?}"
            );
            assert_eq!(
                field(&told.head, "Content-Type").map(|kind| &kind[..10]),
                Some("text/plain")
            );
            client.expect(&heard);
        }
    }
}

#[test]
fn an_item_for_other_formats_or_channels_is_ignored_without_an_error() {
    let (_server, mut client, publisher) = listener();
    for items in [
        json!([]),
        json!([{"channel": "t", "formats": {"http-stream": {"content": "x"}}}]),
        json!([{"channel": "t", "formats": {"http-response": {"body": "x"}}}]),
        json!([{"channel": "t", "formats": {"of-tomorrow": {"content": "x"}}}]),
        json!([message("t", &json!({"action": "hint"}))]),
        json!([text("elsewhere", "x")]),
        // The gateway sends its own pings.
        json!([message("t", &json!({"content": "p", "type": "ping"}))]),
        json!([message("t", &json!({"type": "pong"}))]),
    ] {
        let told = publisher.post("/publish/", json!({ "items": items }).to_string());
        assert_eq!(told.status, 200, "{items}: {told:?}");
    }
    publisher.publish(&[text("t", "next")]);
    client.expect(unmasked(0x81, "next"));
}

#[test]
fn a_request_with_an_invalid_item_publishes_nothing() {
    let (_server, mut client, publisher) = listener();
    let good = text("t", "half");
    let faults = [
        json!({"channel": "t"}),
        json!({"channel": "t", "formats": {}}),
        json!({"formats": {"ws-message": {"content": "x"}}}),
        json!({"channel": 7, "formats": {"ws-message": {"content": "x"}}}),
        message("t", &json!({})),
        message("t", &json!("x")),
        message("t", &json!({"content": 7})),
        message("t", &json!({"content-bin": "%"})),
        message("t", &json!({"content-bin": 7})),
        message("t", &json!({"content": "x", "type": "smell"})),
        message("t", &json!({"content": "x", "action": "dance"})),
        message("t", &json!({"action": "close", "code": "soon"})),
        message("t", &json!({"action": "close", "code": 1005})),
        message("t", &json!({"action": "close", "code": 70_000})),
        json!({"channel": "t", "formats": {"ws-message": {"content": "x"}, "http-stream": {}}}),
        json!({"channel": "t", "formats": {"http-stream": {"content-bin": "%"}}}),
        json!({"channel": "t", "formats": {"http-response": {"code": 200}}}),
        json!({"channel": "t", "formats": {"http-response": {"body": "x", "code": 101}}}),
        json!({"channel": "t", "formats": {"http-response": {"body": "x", "headers": {"A": "b\r\nC: d"}}}}),
        json!("x"),
    ];
    for fault in faults {
        for items in [json!([good, fault]), json!([fault, good])] {
            let told = publisher.post("/publish/", json!({ "items": items }).to_string());
            assert_eq!(told.status, 400, "{items}: {told:?}");
            assert!(
                told.body.starts_with("Invalid format: "),
                "{items}: {told:?}"
            );
            assert!(told.body.ends_with('\n'), "{items}: {told:?}");
        }
    }
    for body in ["{}", r#"{"items":{}}"#, r#"{"items":7}"#, "[]", "7"] {
        let told = publisher.post("/publish/", body);
        assert_eq!(told.status, 400, "{body}: {told:?}");
        assert!(
            told.body.starts_with("Invalid format: "),
            "{body}: {told:?}"
        );
    }
    for body in ["", "nope", "{", r#"{"items":[]} x"#, "\"\u{0}\""] {
        let told = publisher.post("/publish/", body);
        let expected = (400, "Body is not valid JSON.\n");
        assert_eq!((told.status, &*told.body), expected, "{body}");
    }
    let told = publisher.post("/publish/", b"\"\xff\"");
    assert_eq!(told.status, 400, "{told:?}");
    publisher.publish(&[text("t", "next")]);
    client.expect(unmasked(0x81, "next"));
}

#[test]
fn items_are_delivered_in_order() {
    let (_server, mut client, publisher) = listener();
    let numbers: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    for batch in numbers.chunks(50) {
        let items: Vec<_> = batch.iter().map(|number| text("t", number)).collect();
        publisher.publish(&items);
    }
    for number in &numbers {
        client.expect(unmasked(0x81, number));
    }
}

#[test]
fn an_item_with_a_repeated_id_is_delivered_once() {
    let (_server, mut client, publisher) = listener();
    let item = |id: &str, channel: &str, said: &str| {
        let mut item = text(channel, said);
        item["id"] = json!(id);
        item
    };
    publisher.publish(&[item("1", "t", "first")]);
    publisher.publish(&[item("1", "t", "again"), item("2", "t", "second")]);
    // Ids are separate for each channel.
    publisher.publish(&[item("3", "u", "elsewhere"), item("3", "t", "third")]);
    publisher.publish(&[text("t", "without"), text("t", "without")]);
    for said in ["first", "second", "third", "without", "without"] {
        client.expect(unmasked(0x81, said));
    }
}

#[test]
fn an_item_waits_for_the_one_before_it() {
    let (_server, mut client, publisher) = listener();
    let item = |id: &str, previous: &str| -> Value {
        let mut item = text("t", id);
        item["id"] = json!(id);
        item["prev-id"] = json!(previous);
        item
    };
    let mut first = text("t", "1");
    first["id"] = json!("1");
    publisher.publish(&[first]);
    client.expect(unmasked(0x81, "1"));
    publisher.publish(&[item("3", "2")]);
    publisher.publish(&[item("2", "1")]);
    client.expect(unmasked(0x81, "2"));
    client.expect(unmasked(0x81, "3"));
    // The server waits for a missing item only for a while.
    publisher.publish(&[item("6", "5")]);
    client.expect(unmasked(0x81, "6"));
}

#[test]
fn clients_are_closed_with_the_published_code_and_reason() {
    for (close, heard) in [
        (
            json!({"action": "close", "code": 4001, "reason": "why"}),
            &b"\x0f\xa1why"[..],
        ),
        (json!({"action": "close", "code": 1001}), b"\x03\xe9"),
        (json!({"action": "close"}), b"\x03\xe8"),
    ] {
        let (_server, mut client, publisher) = listener();
        publisher.publish(&[text("t", "last"), message("t", &close)]);
        client.expect(unmasked(0x81, "last"));
        client.expect(unmasked(0x88, heard));
    }
}

#[test]
fn a_channel_is_published_to_without_json() {
    let (_server, mut client, publisher) = listener();
    let octets = "Content-Type: application/octet-stream\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (fields, body, heard) in [
        ("", "h\u{e9}".as_bytes(), unmasked(0x81, "h\u{e9}")),
        (form, b"as curl has it", unmasked(0x81, "as curl has it")),
        ("", b"", unmasked(0x81, "")),
        ("", b"\0\xff", unmasked(0x82, b"\0\xff")),
        (octets, b"text", unmasked(0x82, "text")),
        (octets, b"", unmasked(0x82, "")),
    ] {
        let told = publisher.ask("POST", "/channels/t", fields, body);
        assert_eq!((told.status, &*told.body), (200, "Published\n"), "{told:?}");
        client.expect(heard);
    }
    for path in ["/channels/u", "/channels/T"] {
        assert_eq!(publisher.post(path, "elsewhere").status, 200);
    }
    for path in ["/channels/", "/channels", "/channel/t", "/elsewhere"] {
        let status = publisher.post(path, "x").status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    // Percent-encoded, as in a path.
    publisher.post("/channels/%74", "next");
    client.expect(unmasked(0x81, "next"));
}
