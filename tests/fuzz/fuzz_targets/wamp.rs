//! Input: a message of a WAMP client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock::apps::wamp::{
    ClientMessage, Exclude, Json, Limits, MessageError, RawValue, ServerMessage, SessionIds,
    WampError,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut limits = Limits::default();
    limits.prefix_name = 8;
    limits.uri = 32;
    limits.call_id = 12;
    limits.arguments = 3;
    limits.ids = 2;
    limits.depth = 4;
    let list = serde_json::from_str::<Vec<&RawValue>>(text);
    let message = match (ClientMessage::read(text, &limits), &list) {
        (Ok(message), _) => message,
        (Err(MessageError::NotJson(_) | MessageError::NotAList), Err(_)) => return,
        (Err(_), Ok(_)) => return,
        (Err(error), Err(other)) => panic!("{error}, and {other}"),
    };
    let list = list.expect("a message is a list");
    // A valid message is valid within wider limits too.
    assert!(ClientMessage::read(text, &Limits::default()).is_ok());
    // Values are slices of the message, unchanged.
    let is_element = |value: &RawValue| list.iter().any(|element| std::ptr::eq(*element, value));
    let is_uri = |uri: &str| uri.len() <= limits.uri;
    match message {
        ClientMessage::Prefix { prefix, uri } => {
            assert!(prefix.len() <= limits.prefix_name && is_uri(&uri));
        }
        ClientMessage::Call {
            id,
            procedure,
            args,
        } => {
            assert!(is_uri(&procedure) && is_element(id) && id.get().len() <= limits.call_id);
            assert!(args.len() <= limits.arguments && args.len() + 3 == list.len());
            assert!(args.iter().all(is_element));
            for result in args.iter() {
                let answer = ServerMessage::CallResult { id, result };
                assert_eq!(elements(&answer, 3)[1..], [id.get(), result.get()]);
            }
            let error = WampError::new(procedure.to_string()).uri(procedure.to_string());
            let answer = ServerMessage::CallError { id, error: &error };
            assert_eq!(elements(&answer, 4)[1], id.get());
            if let Some(details) = args.get(0).filter(|details| details.get() != "null") {
                let error = error.clone().details(Json::from(details));
                let answer = ServerMessage::CallError { id, error: &error };
                assert_eq!(elements(&answer, 5)[4], details.get());
            }
            // Any arguments can be read, or give an error.
            let _ = args.read::<(u64, String)>();
            let _ = args.read::<Vec<serde_json::Value>>();
        }
        ClientMessage::Subscribe { topic } | ClientMessage::Unsubscribe { topic } => {
            assert!(is_uri(&topic));
        }
        ClientMessage::Publish {
            topic,
            event,
            exclude,
            eligible,
        } => {
            assert!(is_uri(&topic) && is_element(event));
            let is_short = |ids: &SessionIds| ids.sessions.len() <= limits.ids;
            if let Exclude::Sessions(ids) = &exclude {
                assert!(is_short(ids));
            }
            assert!(eligible.as_ref().is_none_or(is_short));
            let message = ServerMessage::Event {
                topic: &topic,
                event,
            };
            let elements = elements(&message, 3);
            let named: String = serde_json::from_str(&elements[1]).expect("a topic is a string");
            assert_eq!((&*named, &*elements[2]), (&*topic, event.get()));
        }
        _ => panic!("another message"),
    }
});

/// The elements of a message. The message must have exactly this many.
fn elements(message: &ServerMessage<'_>, count: usize) -> Vec<String> {
    let text = message.to_text();
    let elements: Vec<&RawValue> = serde_json::from_str(&text).expect("what we say is JSON");
    assert_eq!(elements.len(), count, "{text}");
    elements
        .iter()
        .map(|element| element.get().to_owned())
        .collect()
}
