//! Input: a byte for the dialect, then a line for each message. The first byte of a line selects
//! one of four clients. A client that has been closed connects again.
#![no_main]

use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use polysock::apps::component::{Client, Component};
use polysock::apps::wamp::{
    Answer, Args, CallId, Dialect, Json, Limits, Wamp, WampClient, WampError, WampServer,
};

struct Echo;

impl Wamp for Echo {
    async fn on_call(
        &self,
        _: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        match procedure {
            "later" => {
                let (answer, call) = call.later();
                call.result(Json::from("at once"));
                Ok(answer)
            }
            "never" => Ok(call.later().0),
            _ => Answer::of(args.as_slice()),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((dialect, bytes)) = bytes.split_first() else {
        return;
    };
    let mut limits = Limits::default();
    limits.prefixes = 2;
    limits.subscriptions = 3;
    let server = WampServer::new(Echo)
        .dialect(match dialect & 1 {
            0 => Dialect::Autobahn,
            _ => Dialect::Ratchet,
        })
        .ported_from_ratchet(dialect & 2 != 0)
        .limits(limits);
    let topics = server.topics();
    let mut clients: [Option<Client>; 4] = Default::default();
    let mut subscribed = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((who, text)) = line.split_first() else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            continue;
        };
        let place = &mut clients[usize::from(who & 3)];
        let client = place.get_or_insert_with(|| {
            let client = Client::unconnected();
            let opened = server.on_open(&client).now_or_never();
            opened.expect("at once").expect("nothing fails");
            client
        });
        let message = polysock::Message::text(text);
        let handled = server.on_message(client, message).now_or_never();
        handled.expect("at once").expect("nothing fails");
        if client.is_closing() {
            server.on_close(client).now_or_never().expect("at once");
            *place = None;
        }
        // Only topics with subscribers exist.
        let all = topics.all();
        assert!(all.iter().all(|topic| (1..=4).contains(&topic.len())));
        subscribed = all.iter().map(|topic| topic.len()).sum();
        assert!(subscribed <= 4 * limits.subscriptions);
    }
    for client in clients.iter().flatten() {
        server.on_close(client).now_or_never().expect("at once");
    }
    assert!(topics.is_empty(), "{subscribed}");
});
