//! Input: the body of POST /publish/.
#![no_main]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use libfuzzer_sys::fuzz_target;
use polysock::apps::Publisher;
use polysock::{Body, Channels, Publication, Service};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let channels = Channels::new();
    let published = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&published);
    let _receiving = channels.receive(None, move |channel, _: &Publication| {
        assert!(!channel.is_empty());
        counting.fetch_add(1, Ordering::Relaxed);
    });
    let publisher = Publisher::new(channels);
    let request = Request::post("/publish/");
    let request = request.body(Body::from(Bytes::copy_from_slice(body)));
    let answer = publisher.call(request.expect("a request")).now_or_never();
    let status = answer.expect("at once").status();
    let count = published.load(Ordering::Relaxed);
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let items = json.as_ref().and_then(|json| json.get("items")?.as_array());
    // Either all items are published, or none.
    match status.as_u16() {
        200 => assert_eq!(Some(count), items.map(Vec::len)),
        400 => assert_eq!(count, 0),
        other => panic!("{other}"),
    }
    // If the body is accepted, each of its items is accepted alone as well.
    let items = items.into_iter().flatten();
    let alone = items.map(|item| publisher.publish(item).is_ok());
    let is_right = alone.fold(json.is_some(), |all, one| all & one);
    assert!(is_right || status != 200);
});
