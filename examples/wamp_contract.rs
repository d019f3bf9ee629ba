//! A WAMP 1 server for testing clients: a calculator, and topics under `http://example.com/` that
//! are open to all. The server supports every protocol.
//!
//! | procedure | |
//! |---|---|
//! | `http://example.com/simple/calc#add` | the sum of two numbers |
//! | `…#echo` | its argument, as it was written |
//! | `…#args` | all arguments in a list |
//! | `…#fail` | fails on purpose |
//!
//! `cargo run --example wamp_contract --features wamp -- 127.0.0.1:9000`. Append `ratchet` for the
//! behaviour that pages written for Ratchet expect.

use polysock::apps::component::ws;
use polysock::apps::wamp::{
    Answer, Args, CallId, Dialect, Json, Topic, Wamp, WampClient, WampError, WampServer,
};
use polysock::protocols::PROTOCOLS;
use polysock::{BoxError, Gateway, PortSettings, Site};

struct Calculator;

impl Wamp for Calculator {
    async fn on_call(
        &self,
        _: &WampClient,
        _: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        match procedure.strip_prefix("http://example.com/simple/calc#") {
            Some("add") => {
                let (a, b): (serde_json::Number, serde_json::Number) = args.read()?;
                match (a.as_i64(), b.as_i64()) {
                    (Some(a), Some(b)) if a.checked_add(b).is_some() => Answer::of(&(a + b)),
                    _ => Answer::of(&(a.as_f64().unwrap_or(0.0) + b.as_f64().unwrap_or(0.0))),
                }
            }
            Some("echo") => match args.as_slice() {
                [argument] => Ok((*argument).into()),
                // In the Ratchet dialect a list as the only argument arrives as several arguments.
                several => Answer::of(several),
            },
            Some("args") => Answer::of(args.as_slice()),
            Some("fail") => Err(WampError::new("failed on purpose")
                .uri("http://example.com/error#fail")
                .details(Json::of(&[1, 2])?)),
            _ => Err(WampError::no_procedure(procedure)),
        }
    }

    async fn on_subscribe(&self, _: &WampClient, topic: &Topic) -> bool {
        topic.name().starts_with("http://example.com/")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());
    let server = match arguments.next().as_deref() {
        Some("ratchet") => WampServer::new(Calculator)
            .dialect(Dialect::Ratchet)
            .ported_from_ratchet(true),
        Some(other) => return Err(format!("`{other}`: write ratchet, or nothing").into()),
        None => WampServer::new(Calculator),
    };
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let gateway = Gateway::with_site(Site::new(ws(server)), settings);
    gateway.listen(address).await?;
    Ok(())
}
