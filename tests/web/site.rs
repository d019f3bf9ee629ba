//! A whole site in one process: routes, rooms, a broker of WAMP, sessions from Redis, origins and
//! networks.

use std::net::SocketAddr;

use polysock::apps::component::{Client, Component, ws};
use polysock::apps::wamp::{Broker, WampServer};
use polysock::apps::{Chat, Layered};
use polysock::upstream::Captures;
use polysock::{Application, BoxError, IpBlackList, Message, OriginCheck, Router, Site};
use polysock_test_support::gateway::{answer, in_all_protocols};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, with};
use polysock_web::{PhpSessions, Redis, Session, SessionProvider};

use crate::stores::redis;

/// Sends each new client its user and its room.
struct Rooms;

impl Component for Rooms {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        let captures: Captures = client.get().ok_or("there is a room")?;
        let session: Session = client.get().ok_or("there is a session")?;
        let user = session.get("user_id").ok_or("somebody has logged in")?;
        let room = captures.get("room").unwrap_or_default();
        client.send(format!("{user} in {room}"));
        Ok(())
    }

    async fn on_message(&self, _: &Client, _: Message) -> Result<(), BoxError> {
        Ok(())
    }
}

fn site(redis: SocketAddr) -> Result<impl Application, BoxError> {
    let store = Redis::new(&format!("redis://{redis}/"))?;
    let sessions = SessionProvider::new(PhpSessions::new(store)).require_value("user_id");
    Ok(Router::new()
        .route("=/chat", Chat::new())
        .route("/room/{room}", ws(Rooms).layer(sessions))
        .route("=/live", ws(WampServer::new(Broker)))
        .layer(OriginCheck::hosts(["example.com"])?)
        .layer(IpBlackList::new().block("203.0.113.0/24")?))
}

#[tokio::test]
async fn each_client_reaches_only_its_permitted_routes() {
    let (redis, _) = redis(|key| match key {
        "PHPREDIS_SESSION:ann" => Some("$18\r\nuser_id|s:3:\"Ann\";\r\n"),
        "PHPREDIS_SESSION:guest" => Some("$11\r\ncart|a:0:{}\r\n"),
        _ => Some("$-1\r\n"),
    });
    let gateway = in_all_protocols(Site::new(site(redis).unwrap()));
    let (here, away) = ("10.0.0.1", "203.0.113.7");
    let page = "Origin: http://example.com\r\n";
    let wamp = "Sec-WebSocket-Protocol: wamp\r\n";
    let ann = "Cookie: junk; PHPSESSID=ann\r\n";
    for (from, target, fields, status, says) in [
        (here, "/chat", [page, "", ""], 101, "welcome"),
        (here, "/chat", [page, "", wamp], 101, "welcome"),
        (here, "/chat", ["", "", ""], 403, "this origin"),
        (
            here,
            "/chat",
            ["Origin: http://example.org\r\n", ann, ""],
            403,
            "this origin",
        ),
        (away, "/chat", [page, ann, ""], 403, "this client"),
        (here, "/other", [page, ann, ""], 404, "nothing is served"),
        (here, "/room/7?room=8", [page, ann, ""], 101, "\"Ann\" in 7"),
        (here, "/room/7", [page, "", ""], 403, "session"),
        (
            here,
            "/room/7",
            [page, "Cookie: PHPSESSID=none\r\n", ""],
            403,
            "session",
        ),
        (
            here,
            "/room/7",
            [page, "Cookie: PHPSESSID=../ann\r\n", ""],
            403,
            "session",
        ),
        (
            here,
            "/room/7",
            [page, "Cookie: PHPSESSID=guest\r\n", ""],
            403,
            "session",
        ),
        (away, "/room/7", [page, ann, ""], 403, "this client"),
        (here, "/live", [page, "", wamp], 101, "[0,\""),
        (here, "/live", [page, "", ""], 400, "wamp"),
        (
            here,
            "/live",
            [page, "", "Sec-WebSocket-Protocol: chat\r\n"],
            400,
            "wamp",
        ),
    ] {
        let rfc6455 = with(RFC6455, &fields.concat()).replace("/chat ", &format!("{target} "));
        let hixie = HIXIE_76
            .replace("/demo ", &format!("{target} "))
            .replace("Origin: http://example.com\r\n", &fields.concat());
        let hixie = [hixie.as_bytes(), HIXIE_76_BODY].concat();
        for request in [rfc6455.into_bytes(), hixie] {
            let (answered, said) = answer(&gateway, from, &request, says).await;
            assert_eq!(answered, status, "{from} {target} {fields:?}: {said}");
            assert!(said.contains(says), "{from} {target} {fields:?}: {said}");
        }
    }
}
