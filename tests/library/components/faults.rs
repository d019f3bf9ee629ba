//! Errors and panics of handlers: each ends one connection, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polysock::apps::component::{Client, Clients, Component};
use polysock::protocols::{CloseForm, find_protocol};
use polysock::{BoxError, Close, CloseCode, Message};
use polysock_test_support::member::{Member, Way};

use super::{connect, gateway_to, join, until, ways};

/// A component that fails on request.
#[derive(Default)]
struct Faulty {
    clients: Clients,
    opened: AtomicUsize,
    closed: AtomicUsize,
    /// The failure in `on_open`. `None` if it succeeds.
    at_open: Option<&'static str>,
}

impl Faulty {
    fn fail(how: &str) -> Result<(), BoxError> {
        match how {
            "error" => Err("it fails".into()),
            "panic" => panic!("it panics"),
            "panic with an argument" => panic!("it panics with {how}"),
            _ => Ok(()),
        }
    }
}

impl Component for Faulty {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.clients.attach(client);
        Self::fail(self.at_open.unwrap_or_default())?;
        client.send("welcome");
        Ok(())
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        tokio::task::yield_now().await;
        Self::fail(message.as_text().unwrap_or_default())?;
        self.clients.others(from).send(message);
        Ok(())
    }

    async fn on_close(&self, client: &Client) {
        assert!(self.clients.detach(client), "it goes once");
        self.closed.fetch_add(1, Ordering::Relaxed);
        if client.get::<PanicsAtClose>().is_some() {
            panic!("it panics at the close");
        }
    }
}

#[derive(Clone)]
struct PanicsAtClose;

/// Asserts that the client receives 1011, or its protocol's equivalent.
async fn is_told(member: &mut Member, protocol: &str) {
    assert_eq!(member.message().await, None, "{protocol}");
    let form = find_protocol(protocol).unwrap().capabilities().close;
    let code = match protocol {
        // Their drafts have no 1011.
        name if name.starts_with("hybi-") => CloseCode::GOING_AWAY,
        _ => CloseCode::INTERNAL_ERROR,
    };
    let expected = (form == CloseForm::Code).then(|| Close::from(code));
    assert_eq!(member.closed().close, expected, "{protocol}");
}

#[tokio::test]
async fn a_failing_handler_closes_only_its_own_client() {
    let faulty = Arc::new(Faulty::default());
    let gateway = gateway_to(&faulty);
    let mut others = Vec::new();
    for (name, way) in ways() {
        others.push(join(&gateway, name, way).await);
    }
    let mut gone = 0;
    for (name, way) in ways() {
        for how in ["error", "panic", "panic with an argument"] {
            let mut member = join(&gateway, name, way).await;
            member.session.send(how.into()).unwrap();
            member.session.send("not any more".into()).unwrap();
            member.flush().await;
            is_told(&mut member, name).await;
            drop(member);
            gone += 1;
            until(|| faulty.closed.load(Ordering::Relaxed) == gone).await;
        }
    }
    let [first, rest @ ..] = &mut others[..] else {
        panic!("there are others");
    };
    first.send("still there?").await;
    for other in rest {
        assert_eq!(other.text().await, "still there?");
    }
}

#[tokio::test]
async fn a_client_whose_open_handler_fails_is_closed_and_reported() {
    for how in ["error", "panic"] {
        for (name, way) in ways() {
            let faulty = Arc::new(Faulty {
                at_open: Some(how),
                ..Faulty::default()
            });
            let gateway = gateway_to(&faulty);
            let mut member = connect(&gateway, name, way).await;
            is_told(&mut member, name).await;
            drop(member);
            until(|| faulty.closed.load(Ordering::Relaxed) == 1).await;
            assert_eq!(faulty.opened.load(Ordering::Relaxed), 1);
        }
    }
}

#[tokio::test]
async fn a_panic_at_the_close_affects_no_other_client() {
    let faulty = Arc::new(Faulty::default());
    let gateway = gateway_to(&faulty);
    let first = join(&gateway, "rfc6455", Way::Tcp).await;
    for client in faulty.clients.all() {
        client.insert(PanicsAtClose);
    }
    let mut second = join(&gateway, "rfc6455", Way::Tcp).await;
    drop(first);
    until(|| faulty.closed.load(Ordering::Relaxed) == 1).await;
    second.send("error").await;
    is_told(&mut second, "rfc6455").await;
}

/// One of a hundred clients panics repeatedly. The others continue, and no resource leaks.
#[tokio::test]
async fn ten_thousand_panics_leave_nothing_behind() {
    const PANICS: usize = 10_000;
    let faulty = Arc::new(Faulty::default());
    let gateway = gateway_to(&faulty);
    let mut others = Vec::new();
    for _ in 0..99 {
        others.push(join(&gateway, "rfc6455", 1 << 16).await);
    }
    for count in 1..=PANICS {
        let mut member = join(&gateway, "rfc6455", 1 << 16).await;
        member.send("panic").await;
        is_told(&mut member, "rfc6455").await;
        drop(member);
        until(|| faulty.closed.load(Ordering::Relaxed) == count).await;
        assert_eq!(faulty.clients.len(), 99);
        if count % 1000 == 0 {
            let (first, rest) = others.split_first_mut().unwrap();
            first.send("still there?").await;
            for other in rest {
                assert_eq!(other.text().await, "still there?");
            }
        }
    }
    drop(others);
    until(|| faulty.clients.is_empty()).await;
    // Only the gateway holds the component: no client is kept anywhere.
    drop(gateway);
    until(|| Arc::strong_count(&faulty) == 1).await;
}

/// A component that panics before its handler returns a future.
struct Eager;

impl Component for Eager {
    fn on_message(
        &self,
        _: &Client,
        _: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        panic!("it panics at once");
        #[expect(unreachable_code, reason = "it says what the future would be")]
        async {
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_handler_that_panics_at_once_ends_its_connection() {
    let gateway = gateway_to(&Arc::new(Eager));
    for (name, way) in ways() {
        let mut member = connect(&gateway, name, way).await;
        member.send("hello").await;
        is_told(&mut member, name).await;
    }
}

/// A component that continues after errors.
#[derive(Default)]
struct Forgiving;

impl Component for Forgiving {
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        Faulty::fail(message.as_text().unwrap_or_default())?;
        from.send(message);
        Ok(())
    }

    async fn on_error(&self, client: &Client, error: BoxError) {
        client.send(format!("sorry: {error}"));
        if client.insert(()).is_some() {
            panic!("it fails at failing");
        }
    }
}

#[tokio::test]
async fn a_client_stays_open_if_the_error_handler_does_not_close_it() {
    let gateway = gateway_to(&Arc::new(Forgiving));
    for (name, way) in ways() {
        let mut member = connect(&gateway, name, way).await;
        member.send("error").await;
        assert_eq!(member.text().await, "sorry: it fails");
        member.send("hello").await;
        assert_eq!(member.text().await, "hello");
        // This time the error handler itself fails.
        member.send("error").await;
        assert_eq!(member.text().await, "sorry: it fails");
        is_told(&mut member, name).await;
    }
}
