//! Clients are admitted with their sessions, or are refused because they need one.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, Response};
use polysock::apps::Layered;
use polysock::protocols::{Dial, find_protocol};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{
    Accept, Body, BoxError, CloseCode, Connection, Handshake, Peer, Policy, Service,
    SessionVariables, Site,
};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::{in_all_protocols, serve};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, assert_status, with};
use polysock_web::{PhpSessions, Session, SessionError, SessionProvider, SessionStore};

/// A store with one session, or one that fails or hangs.
#[derive(Clone, Debug, Default)]
struct Store(Arc<Mutex<Kept>>);

#[derive(Clone, Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Data(&'static str),
    Failing,
    Hanging,
}

impl Store {
    fn keep(&self, kept: Kept) {
        *self.0.lock().unwrap() = kept;
    }
}

impl SessionStore for Store {
    fn place(&self) -> &str {
        "memory"
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        let kept = self.0.lock().unwrap().clone();
        Box::pin(async move {
            match kept {
                Kept::Data(data) if id == "here" => Ok(Some(data.into())),
                Kept::Data(_) | Kept::Nothing => Ok(None),
                Kept::Failing => Err(SessionError::Unavailable("no such host".to_owned())),
                Kept::Hanging => pending().await,
            }
        })
    }
}

fn provider(store: &Store) -> SessionProvider {
    SessionProvider::new(PhpSessions::new(store.clone()))
}

fn user(peer: &Peer) -> String {
    let session = peer.extensions.get::<Session>();
    let user = session.map(|session| {
        assert_eq!(session.id(), Some("here"));
        assert_eq!(format!("{session:?}"), "Session { .. }");
        let user = session.get("user_id").unwrap_or_default().to_string();
        user.trim_matches('"').to_owned()
    });
    let variables = peer.extensions.get::<SessionVariables>();
    let variable = variables.and_then(|variables| variables.get("user_id"));
    assert_eq!(
        variable.as_ref(),
        user.as_ref().filter(|user| *user != "null")
    );
    user.unwrap_or_else(|| "nobody".to_owned())
}

/// Sends the user's name, and for each message the user's name at that time.
async fn say_user(handshake: Handshake) -> Result<(), BoxError> {
    let session = handshake.peer().extensions.get::<Session>().cloned();
    let user = user(handshake.peer());
    let mut connection = handshake.accept(Accept::default()).await?;
    connection.send(user.into()).await?;
    while connection.next().await.transpose()?.is_some() {
        let session = session.as_ref().ok_or("no session")?;
        let says = match session.reload().await {
            Ok(true) => session.get("user_id").unwrap_or_default().to_string(),
            Ok(false) => {
                assert!(session.get("user_id").is_none());
                "gone".to_owned()
            }
            Err(error) => error.to_string(),
        };
        connection.send(says.into()).await?;
    }
    Ok(())
}

struct SayUser;

impl Service for SayUser {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        let response = Response::new(Body::from(Bytes::from(user(peer))));
        Box::pin(async { response })
    }
}

fn serve_site(site: Site) -> SocketAddr {
    serve(in_all_protocols(site))
}

/// Starts two servers: with the provider as a policy of the site, and as a layer around the
/// application.
fn both(provider: &SessionProvider) -> [SocketAddr; 2] {
    let policy: Box<dyn Policy> = Box::new(provider.clone());
    let of_site = Site::new(say_user).with_http(SayUser);
    let around = Site::new(say_user.layer(provider.clone())).with_http(SayUser);
    [
        serve_site(of_site.with_policies(vec![policy])),
        serve_site(around),
    ]
}

const COOKIE: &str = "Cookie: junk; PHPSESSID=here; PHPSESSID=other\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn status(address: SocketAddr, request: &str, fields: &str) -> u16 {
    let mut client = Client::connect(address);
    client.send(with(request, fields));
    if request == HIXIE_76 {
        client.send(HIXIE_76_BODY);
    }
    let head = client.head();
    let status = head.split(' ').nth(1).unwrap();
    status.parse().unwrap()
}

#[test]
fn a_session_is_found_or_required() {
    use Kept::{Data, Failing, Hanging, Nothing};
    let store = Store::default();
    let free = provider(&store).timeout(Duration::from_millis(50));
    let required = free.clone().require();
    let logged_in = free.clone().require_value("user_id");
    let providers = [&free, &required, &logged_in].map(both);
    for (kept, fields, expected) in [
        (Data("user_id|i:42;"), COOKIE, [101, 101, 101]),
        (Data("user_id|i:0;"), COOKIE, [101, 101, 403]),
        (Data("user_id|s:0:\"\";"), COOKIE, [101, 101, 403]),
        (Data("user_id|b:0;"), COOKIE, [101, 101, 403]),
        (Data("user_id|N;"), COOKIE, [101, 101, 403]),
        (Data(""), COOKIE, [101, 101, 403]),
        (Data("user_id|i:42;"), "", [101, 403, 403]),
        (
            Data("user_id|i:42;"),
            "Cookie: PHPSESSID=x\r\n",
            [101, 403, 403],
        ),
        (Data("user_id|i:42"), COOKIE, [101, 403, 403]),
        (Nothing, COOKIE, [101, 403, 403]),
        (Failing, COOKIE, [101, 503, 503]),
        (Hanging, COOKIE, [101, 503, 503]),
        (Failing, "", [101, 403, 403]),
    ] {
        store.keep(kept.clone());
        for (addresses, expected) in providers.iter().zip(expected) {
            for address in *addresses {
                for request in [RFC6455, HIXIE_76] {
                    let status = status(address, request, fields);
                    assert_eq!(status, expected, "{kept:?} {fields}");
                }
            }
            let expected = if expected == 101 { 200 } else { expected };
            assert_eq!(status(addresses[0], GET, fields), expected, "{kept:?}");
            // A layer around an application does not apply to ordinary requests.
            assert_eq!(status(addresses[1], GET, fields), 200);
        }
    }
}

#[test]
fn an_ordinary_request_carries_its_session() {
    let store = Store::default();
    store.keep(Kept::Data("user_id|i:42;"));
    let [address, _] = both(&provider(&store));
    let mut client = Client::connect(address);
    for (fields, expected) in [(COOKIE, "42"), ("", "nobody"), (COOKIE, "42")] {
        client.send(with(GET, fields));
        assert_status(&client.head(), 200);
        client.expect(expected);
    }
}

async fn connect(address: SocketAddr, protocol: &str) -> Connection {
    let url = format!("ws://{address}/");
    let upstream = WebSocketUpstream::parse(&url, UpstreamSettings::default()).unwrap();
    let upstream = upstream.with_protocol(find_protocol(protocol).unwrap());
    let dial = Dial {
        fields: [("Cookie", "PHPSESSID=here")].into_iter().collect(),
        ..Dial::default()
    };
    upstream.dial(dial).await.unwrap()
}

async fn says(connection: &mut Connection) -> String {
    let message = connection.next().await.unwrap().unwrap();
    message.as_text().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_after_the_page_was_opened_is_seen_after_a_reload() {
    let store = Store::default();
    for address in both(&provider(&store).timeout(Duration::from_millis(50))) {
        store.keep(Kept::Data("cart|i:1;"));
        let mut client = connect(address, "hixie-76").await;
        assert_eq!(says(&mut client).await, "null");
        for (kept, expected) in [
            (Kept::Data("cart|i:1;"), "null"),
            (Kept::Data("cart|i:1;user_id|i:42;"), "42"),
            (Kept::Failing, "no such host"),
            (Kept::Hanging, "no answer within 50ms"),
            (Kept::Nothing, "gone"),
            (Kept::Data("user_id|i:7;"), "7"),
        ] {
            store.keep(kept);
            client.send("?".into()).await.unwrap();
            assert_eq!(says(&mut client).await, expected);
        }
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_session() {
    for (kept, is_over) in [
        (Kept::Nothing, true),
        (Kept::Data("user_id|i:43;"), true),
        (Kept::Data(""), true),
        (Kept::Data("user_id|"), true),
        (Kept::Data("cart|i:9;user_id|i:42;"), false),
        (Kept::Failing, false),
    ] {
        let store = Store::default();
        let provider = provider(&store)
            .require_value("user_id")
            .recheck(Duration::from_millis(100));
        for address in both(&provider) {
            for protocol in ["rfc6455", "hixie-76"] {
                store.keep(Kept::Data("user_id|i:42;"));
                let mut client = connect(address, protocol).await;
                assert_eq!(says(&mut client).await, "42");
                store.keep(kept.clone());
                if !is_over {
                    // The connection survives several checks, and ends when the session has ended.
                    let outlived = tokio::time::timeout(Duration::from_millis(350), client.next());
                    assert!(outlived.await.is_err(), "{kept:?}");
                    store.keep(Kept::Nothing);
                }
                assert!(client.next().await.is_none(), "{kept:?}");
                let close = client.closed().unwrap().close.as_ref();
                let code = close.map(|close| close.code);
                let expected = (protocol == "rfc6455").then_some(CloseCode::POLICY_VIOLATION);
                assert_eq!(code, expected, "{kept:?}");
            }
        }
    }
}
