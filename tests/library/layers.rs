//! Layers around applications: the routing of clients, and refusals.

use polysock::apps::component::{Client, Component, ws};
use polysock::apps::{Chat, Layered};
use polysock::upstream::Captures;
use polysock::{Application, BoxError, IpBlackList, Message, OriginCheck, Router, Site};
use polysock_test_support::gateway::{answer, in_all_protocols};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, with};

/// A component that sends each new client the `room` of its route and its query.
struct Rooms;

impl Component for Rooms {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        let captures: Captures = client.get().ok_or("there is a room")?;
        let request = client.request().ok_or("there is a request")?;
        let query = request.target.split_once('?').map(|(_, query)| query);
        client.send(format!("{:?} {query:?}", captures.get("room")));
        Ok(())
    }

    async fn on_message(&self, _: &Client, _: Message) -> Result<(), BoxError> {
        Ok(())
    }
}

fn site() -> impl Application {
    let guarded = ws(Rooms).layer(IpBlackList::new().block("10.0.0.9").unwrap());
    Router::new()
        .route("=/chat", Chat::new())
        .route("/room/{room}", ws(Rooms))
        .route_of("*.example.com", "/room", guarded)
        .layer(OriginCheck::hosts(["example.com"]).unwrap())
        .layer(IpBlackList::new().block("203.0.113.0/24").unwrap())
}

#[tokio::test]
async fn admitted_clients_are_served_and_others_get_the_reason() {
    let gateway = in_all_protocols(Site::new(site()));
    for (from, target, host, origin, status, greeting) in [
        (
            "10.0.0.1",
            "/chat",
            "x",
            Some("http://example.com"),
            101,
            "welcome",
        ),
        (
            "10.0.0.1",
            "/chat?a=b",
            "x",
            Some("https://example.com:8443"),
            101,
            "welcome",
        ),
        (
            "10.0.0.1",
            "/chat/",
            "x",
            Some("http://example.com"),
            404,
            "nothing",
        ),
        (
            "10.0.0.1",
            "/",
            "x",
            Some("http://example.com"),
            404,
            "nothing",
        ),
        (
            "10.0.0.1",
            "/room/../chat",
            "x",
            Some("http://example.com"),
            400,
            "the path",
        ),
        // The capture of the path and the parameter of the query are separate.
        (
            "10.0.0.1",
            "/room/7?room=8",
            "x",
            Some("http://example.com"),
            101,
            "Some(\"7\") Some(\"room=8\")",
        ),
        (
            "10.0.0.1",
            "/room/a%20b",
            "x",
            Some("http://example.com"),
            101,
            "Some(\"a%20b\") None",
        ),
        // The route of the host has no `room` capture, so its component fails.
        (
            "10.0.0.1",
            "/room",
            "a.example.com:80",
            Some("http://example.com"),
            101,
            "",
        ),
        (
            "10.0.0.1",
            "/room",
            "example.com",
            Some("http://example.com"),
            404,
            "nothing",
        ),
        (
            "10.0.0.9",
            "/room",
            "a.example.com",
            Some("http://example.com"),
            403,
            "this client",
        ),
        (
            "10.0.0.9",
            "/room/7",
            "x",
            Some("http://example.com"),
            101,
            "Some(\"7\") None",
        ),
        (
            "10.0.0.1",
            "/chat",
            "x",
            Some("http://example.org"),
            403,
            "this origin",
        ),
        ("10.0.0.1", "/chat", "x", Some("null"), 403, "this origin"),
        ("10.0.0.1", "/chat", "x", None, 403, "this origin"),
        (
            "203.0.113.7",
            "/chat",
            "x",
            Some("http://example.com"),
            403,
            "this client",
        ),
        (
            "::ffff:203.0.113.7",
            "/chat",
            "x",
            Some("http://example.com"),
            403,
            "this client",
        ),
    ] {
        let field = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let rfc6455 = with(RFC6455, &field)
            .replace("/chat ", &format!("{target} "))
            .replace("server.example.com", host);
        let hixie = HIXIE_76
            .replace("/demo ", &format!("{target} "))
            .replace("Host: example.com", &format!("Host: {host}"))
            .replace("Origin: http://example.com\r\n", &field);
        let hixie = [hixie.as_bytes(), HIXIE_76_BODY].concat();
        for request in [rfc6455.into_bytes(), hixie] {
            let (answered, greeted) = answer(&gateway, from, &request, greeting).await;
            assert_eq!(
                answered, status,
                "{from} {target} {host} {origin:?}: {greeted}"
            );
            assert!(
                greeted.contains(greeting),
                "{from} {target} {host}: {greeted}"
            );
        }
    }
}

#[test]
fn an_invalid_route_is_an_error() {
    let routed = Router::new().try_route(None, "chat", Chat::new());
    let error = routed.expect_err("no path").to_string();
    assert!(
        error.starts_with("a path must begin with a slash"),
        "{error}"
    );
    let routed = Router::new().try_route(Some("a:80"), "/chat", Chat::new());
    let error = routed.expect_err("no host").to_string();
    assert!(error.starts_with("a host must not have a port"), "{error}");
}
