//! The ends of connections.

use polysock::protocols::find_protocol;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::grip::{Answer, EVENTS, Event};

use super::{Gateway, SILENCE, dial, is_cut};

#[test]
fn the_close_of_a_client_is_answered_immediately_and_posted() {
    let gateway = Gateway::new(&[]);
    for (close, posted) in [
        (&b"\x03\xe8fin"[..], Some(&b"\x03\xe8fin"[..])),
        (b"\x0f\xa1", Some(b"\x0f\xa1")),
        (b"", None),
    ] {
        let mut client = gateway.opens(&[]);
        // The close is answered although the origin is still busy.
        client.send(frame(0x81, "x"));
        let held = gateway.origin.post();
        client.send(frame(0x81, "y"));
        client.send(frame(0x88, close));
        client.expect(unmasked(0x88, close));
        client.gone();
        held.answer(Answer::events(&[Event::text("m:too late")]));
        let mut events = Vec::new();
        // The message may be in a request of its own.
        while events
            .last()
            .is_none_or(|event: &Event| event.kind != "CLOSE")
        {
            let post = gateway.origin.post();
            events.extend(post.events());
            post.answer(Answer::events(&[]));
        }
        let [text, close] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(text, &Event::text("y"));
        assert_eq!(
            close
                .content
                .as_deref()
                .filter(|content| !content.is_empty()),
            posted
        );
        gateway.origin.is_left_alone(SILENCE);
    }
}

#[test]
fn a_vanished_client_is_a_disconnect_event() {
    let gateway = Gateway::new(&[]);
    let client = gateway.opens(&[]);
    drop(client);
    gateway.origin.answers(&[Event::bare("DISCONNECT")], &[]);
    let (peer, _) = dial(&gateway, find_protocol("rfc6455").unwrap());
    peer.reset();
    let post = gateway.origin.post();
    assert_eq!(post.events(), [Event::bare("DISCONNECT")]);
    // The answer does not matter.
    post.answer(Answer::page(500, "text/plain", Vec::new()));
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn a_client_that_vanishes_during_a_request_is_a_disconnect_event_after_the_rest() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    client.send(frame(0x81, "x"));
    let held = gateway.origin.post();
    client.send(frame(0x81, "y"));
    drop(client);
    gateway.origin.is_left_alone(SILENCE);
    held.answer(Answer::events(&[]));
    let mut events = Vec::new();
    while events.len() < 2 {
        let post = gateway.origin.post();
        events.extend(post.events());
        post.answer(Answer::events(&[]));
    }
    assert_eq!(events, [Event::text("y"), Event::bare("DISCONNECT")]);
}

#[test]
fn the_origin_chooses_code_and_reason_of_its_close() {
    let gateway = Gateway::new(&[]);
    for (close, frame_of_it) in [
        (Event::close(4000, "done"), &b"\x0f\xa0done"[..]),
        (Event::close(1000, ""), b"\x03\xe8"),
        (Event::bare("CLOSE"), b"\x03\xe8"),
        (Event::of("CLOSE", ""), b"\x03\xe8"),
        // gripcontrol sends this if a site gives no code.
        (Event::close(0, ""), b"\x03\xe8"),
    ] {
        let mut client = gateway.opens(&[]);
        client.send(frame(0x81, "bye"));
        let events = [Event::text("m:last"), close];
        gateway.origin.answers(&[Event::text("bye")], &events);
        client.expect(unmasked(0x81, "last"));
        client.expect(unmasked(0x88, frame_of_it));
        client.send(frame(0x88, frame_of_it));
        client.gone();
    }
}

#[test]
fn an_origin_that_fails_has_its_client_cut_and_is_not_asked_again() {
    let gateway = Gateway::with("grip-failing", "answer_timeout = \"2s\"\n");
    let long = "x".repeat(1_000_001);
    for (what, answer) in [
        (
            "a status",
            Some(Answer::page(500, "text/plain", b"no".to_vec())),
        ),
        (
            "another status",
            Some(Answer::page(404, EVENTS, Vec::new())),
        ),
        (
            "a page",
            Some(Answer::page(200, "text/html", b"<p>".to_vec())),
        ),
        (
            "DISCONNECT",
            Some(Answer::events(&[Event::bare("DISCONNECT")])),
        ),
        ("OPEN", Some(Answer::events(&[Event::bare("OPEN")]))),
        (
            "no event",
            Some(Answer::page(200, EVENTS, b"TEXT x\r\n".to_vec())),
        ),
        (
            "a part",
            Some(Answer::page(200, EVENTS, b"TEXT 5\r\nhel".to_vec())),
        ),
        (
            "killed",
            Some(Answer::events(&[Event::text("m:never")]).cut_after(8)),
        ),
        ("killed at once", None),
        ("too much", Some(Answer::events(&[Event::text(&long)]))),
    ] {
        let mut client = gateway.opens(&[]);
        client.send(frame(0x81, what));
        let post = gateway.origin.post();
        assert_eq!(post.events(), [Event::text(what)]);
        match answer {
            Some(answer) => post.answer(answer),
            None => drop(post),
        }
        is_cut(&client);
    }
    let mut client = gateway.opens(&[]);
    client.send(frame(0x81, "too late"));
    let post = gateway.origin.post();
    is_cut(&client);
    post.answer(Answer::events(&[]));
    gateway.origin.is_left_alone(SILENCE);
}

#[test]
fn closes_of_the_gateway_are_posted_to_the_origin() {
    let mut gateway = Gateway::new(&[]);
    let mut client = gateway.opens(&[]);
    gateway.server.signal("TERM");
    client.expect(unmasked(0x88, b"\x03\xe9"));
    client.send(frame(0x88, b"\x03\xe9"));
    let post = gateway.origin.post();
    let events = post.events();
    assert!(
        matches!(events.as_slice(), [event] if event.kind == "CLOSE" || event.kind == "DISCONNECT"),
        "{events:?}"
    );
    post.answer(Answer::events(&[]));
    let (code, log) = gateway.server.ends_within(polysock_test_support::PATIENCE);
    assert_eq!(code, Some(0), "{log}");
}
