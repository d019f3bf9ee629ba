//! WAMP in every protocol: the messages to its clients, and the closes for invalid messages.

mod calls;
mod dialects;
mod faults;
mod fidelity;
mod messages;
mod nodes;
mod subprotocol;
mod topics;

use std::sync::Arc;

use polysock::apps::component::ws;
use polysock::apps::wamp::{Answer, Args, CallId, Wamp, WampClient, WampError, WampServer};
use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{Application, Gateway, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::gateway::in_all_protocols;
use polysock_test_support::member::{Member, Way};
use tokio::time::timeout;

const IN_MEMORY: Way = Way::Memory(1 << 16);

const TOPIC: &str = "http://example.com/simple";

/// An application that returns the arguments of calls, and forwards events.
struct Echo;

impl Wamp for Echo {
    async fn on_call(
        &self,
        _: &WampClient,
        _: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        match procedure {
            "panic" => panic!("it panics"),
            "echo" => {
                let argument = args.get(0);
                argument
                    .map(Into::into)
                    .ok_or(WampError::new("no argument"))
            }
            "args" => Answer::of(args.as_slice()),
            "which" | "http://example.com/calc#add" | "http://example.com/calc##add" => {
                Answer::of(procedure)
            }
            _ => Err(WampError::no_procedure(procedure)),
        }
    }
}

/// Starts a gateway in all protocols.
fn gateway(application: impl Application) -> Gateway {
    in_all_protocols(Site::new(application))
}

fn gateway_to(server: WampServer<impl Wamp>) -> Gateway {
    gateway(ws(server))
}

/// Starts a gateway to an application that the test inspects.
fn gateway_of(wamp: &Arc<impl Wamp>) -> Gateway {
    gateway_to(WampServer::new(Arc::clone(wamp)))
}

/// A client that has received its welcome.
struct WampMember {
    member: Member,
    session: String,
}

impl WampMember {
    /// Connects in RFC 6455.
    async fn join(gateway: &Gateway) -> Self {
        Self::join_in(gateway, "rfc6455", IN_MEMORY).await
    }

    async fn join_in(gateway: &Gateway, protocol: &str, way: Way) -> Self {
        let stream = way.go(gateway.clone()).await;
        let protocol = find_protocol(protocol).unwrap();
        let mut member = Member::open_offering(stream, protocol, &["wamp"]).await;
        let welcome = member.text().await;
        let session = welcome.strip_prefix("[0,\"").unwrap();
        let (session, rest) = session.split_once('"').unwrap();
        let ident = concat!(",1,\"Polysock/", env!("CARGO_PKG_VERSION"), "\"]");
        assert_eq!(rest, ident, "{welcome}");
        let is_letter = |c: char| c.is_ascii_alphanumeric();
        assert!(session.len() == 16 && session.chars().all(is_letter));
        Self {
            session: session.to_owned(),
            member,
        }
    }

    async fn say(&mut self, text: &str) {
        self.member.send(text).await;
    }

    async fn hears(&mut self, expected: &str) {
        assert_eq!(self.member.text().await, expected);
    }

    /// Asserts that all its messages so far were handled, and that it has received nothing else.
    async fn is_up_to_date(&mut self) {
        self.say(r#"[2,"now","echo","now"]"#).await;
        self.hears(r#"[3,"now","now"]"#).await;
    }

    async fn subscribe(&mut self, topic: &str) {
        self.say(&format!("[5,\"{topic}\"]")).await;
        self.is_up_to_date().await;
    }

    /// Asserts that it is closed with this code and reason.
    async fn ends_with(mut self, code: u16, reason: &str) {
        assert_eq!(self.member.message().await, None, "{reason}");
        let close = self.member.closed().close.clone().expect("a close");
        assert_eq!((close.code.get(), &*close.reason), (code, reason));
    }
}

/// Every protocol, over each transport.
fn ways() -> impl Iterator<Item = (&'static str, Way)> {
    let names = PROTOCOLS.iter().map(|protocol| protocol.name());
    names.flat_map(|name| [(name, IN_MEMORY), (name, Way::Tcp)])
}

/// Waits until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes to be so");
}
