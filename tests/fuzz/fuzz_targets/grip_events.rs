//! Input: the body of a web app's response to WebSocket-over-HTTP.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

use self::events::Event;

#[path = "../../../src/apps/grip/events.rs"]
#[allow(dead_code, reason = "it is the library's, which uses all of it")]
mod events;

fuzz_target!(|body: &[u8]| {
    let Ok(events) = events::read(Bytes::copy_from_slice(body)) else {
        return;
    };
    let len: usize = events.iter().map(Event::len).sum();
    assert!(len <= body.len() && events.len() <= body.len() / 4);
    let written = events::written(&events);
    assert_eq!(events::read(written), Ok(events));
});
