//! Requests to the control listener that change the server.

use std::time::Instant;

use polysock_test_support::frame::close;
use polysock_test_support::opening::RFC6455;

use super::{TOKEN, configured, on_tcp, on_unix};
use crate::POLYSOCK;

#[test]
fn a_request_closes_a_single_connection_or_all_that_match_a_filter() {
    let controlled = on_unix("control-close", &["--app", "echo"]);
    let mut clients: Vec<_> = (0..3).map(|_| controlled.server.websocket()).collect();
    controlled.has(3);
    let list = controlled.json("/connections");
    let id = list["connections"][1]["id"].as_str().unwrap();
    let (status, _, body) =
        controlled.ask_with("DELETE", &format!("/connections/{id}?code=4001"), &[], "");
    assert_eq!(status, 202, "{body}");
    clients[1].expect(b"\x88\x02\x0f\xa1");
    clients[1].send(close(4001));
    clients[1].rest();
    controlled.has(2);
    let (status, body) = controlled.post(
        "/connections/close",
        r#"{"filter": {"protocol": "rfc6455"}, "dry_run": true}"#,
    );
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"connections\":2"), "{body}");
    controlled.has(2);
    let (status, body) = controlled.post(
        "/connections/close",
        r#"{"filter": {"protocol": "rfc6455"}, "per_second": 1000}"#,
    );
    assert_eq!(status, 202, "{body}");
    for client in [0, 2] {
        clients[client].expect(b"\x88\x02\x03\xf4");
        clients[client].send(close(1012));
        clients[client].rest();
    }
    controlled.has(0);
    for (path, body, part) in [
        ("/connections/close", "{}", "filter: "),
        (
            "/connections/close",
            r#"{"filter": {"colour": "red"}}"#,
            "colour is not a parameter",
        ),
        (
            "/connections/close",
            r#"{"filter": {}, "code": 1005}"#,
            "code: ",
        ),
        (
            "/connections/close",
            r#"{"filter": {}, "per_second": 0}"#,
            "per_second: ",
        ),
        ("/drain", "[]", "not a JSON object"),
        ("/drain", "{", "the body: "),
        ("/drain", r#"{"deadline": "soon"}"#, "deadline: "),
        ("/log", "{}", "filter: "),
    ] {
        let (status, answer) = controlled.post(path, body);
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert!(answer.contains(part), "{path} {body}: {answer}");
    }
    assert_eq!(controlled.get("/readyz").0, 200);
}

#[test]
fn a_drain_has_an_even_rate_and_can_be_cancelled() {
    let mut controlled = on_unix("control-drain", &["--app", "echo"]);
    let mut clients: Vec<_> = (0..30).map(|_| controlled.server.websocket()).collect();
    controlled.has(30);
    let began = Instant::now();
    let (status, body) = controlled.post("/drain", r#"{"per_second": 20}"#);
    assert_eq!(status, 202, "{body}");
    assert_eq!(controlled.get("/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(controlled.get("/livez").0, 200);
    controlled.server.answers(RFC6455, 503);
    // The first client is closed immediately, and then one every fifty milliseconds.
    for client in clients.drain(..20) {
        let mut client = client;
        client.expect(b"\x88\x02\x03\xe9");
        client.send(close(1001));
        client.rest();
    }
    let took = began.elapsed().as_secs_f64();
    assert!((0.7..5.0).contains(&took), "{took}");
    assert_eq!(controlled.post("/undrain", "{}").0, 200);
    assert_eq!(controlled.get("/readyz").0, 200);
    let (_new, _) = controlled.server.answers(RFC6455, 101);
    let left = controlled.json("/connections")["count"].as_u64().unwrap();
    assert!(left >= 2, "{left}");
    let log = controlled.server.stop();
    assert!(log.contains("audit=true") && log.contains("drain"), "{log}");
}

#[test]
fn a_reload_request_is_answered_with_its_outcome() {
    let directory = POLYSOCK.directory("control-reload");
    let (file, socket) = (
        directory.join("polysock.toml"),
        directory.join("control.sock"),
    );
    let write = |target: &str| {
        let text = format!(
            "[control]\nlisten = \"unix:{}\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\ntarget = \"{target}\"\n",
            socket.display()
        );
        std::fs::write(&file, text).unwrap();
    };
    write("app:echo");
    let controlled = configured(&file, socket.clone());
    write("app:chat");
    let (status, body) = controlled.post("/reload", "{}");
    assert_eq!(status, 200, "{body}");
    write("app:nothing");
    let (status, body) = controlled.post("/reload", "{}");
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("app:nothing"), "{body}");
    let (code, text) = controlled.ctl(&["ctl", "reload"]);
    assert_eq!(code, Some(1), "{text}");
    let (_, metrics) = controlled.get("/metrics");
    for line in [
        "polysock_config_reloads_total{outcome=\"success\"} 1",
        "polysock_config_reloads_total{outcome=\"failure\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn changes_over_tcp_need_a_token() {
    let json = ("Content-Type", "application/json");
    let bearer = format!("Bearer {TOKEN}");
    let controlled = on_tcp("control-token", true, &["--app", "echo"]);
    for (fields, expected) in [
        (vec![json], 401),
        (vec![json, ("Authorization", "Bearer no")], 401),
        (vec![("Authorization", &*bearer)], 415),
        (
            vec![
                json,
                ("Authorization", &*bearer),
                ("Origin", "http://evil.example"),
            ],
            403,
        ),
        (
            vec![json, ("Authorization", &*bearer), ("Host", "evil.example")],
            421,
        ),
        (vec![json, ("Authorization", &*bearer)], 200),
    ] {
        let (status, _, body) = controlled.ask_with("POST", "/undrain", &fields, "{}");
        assert_eq!(status, expected, "{fields:?}: {body}");
    }
    assert_eq!(
        controlled.get("/connections").0,
        200,
        "reading takes none on this machine"
    );
    let without = on_tcp("control-no-token", false, &["--app", "echo"]);
    assert_eq!(without.post("/undrain", "{}").0, 403);
}

#[test]
fn a_control_listener_on_other_addresses_needs_a_token() {
    let run = POLYSOCK.run(
        &["serve", "--listen", "127.0.0.1:0", "--control", "0.0.0.0:0"],
        polysock_test_support::program::Input::NOTHING,
    );
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("needs a token"), "{}", run.stderr);
}

#[test]
fn ctl_lists_shows_and_closes_connections_and_reports_the_result() {
    let controlled = on_unix("control-ctl", &["--app", "echo"]);
    let mut client = controlled.server.websocket();
    controlled.has(1);
    let (code, list) = controlled.ctl(&["ctl", "list"]);
    assert_eq!(code, Some(0));
    assert!(
        list.starts_with("CONNECTION") && list.ends_with("1 of 1 connections\n"),
        "{list}"
    );
    let id = list
        .lines()
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let (_, json) = controlled.ctl(&["ctl", "--json", "show", &id]);
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["id"], id);
    let (_, status) = controlled.ctl(&["status"]);
    assert!(
        status.contains("ready") && status.contains("rfc6455"),
        "{status}"
    );
    assert_eq!(controlled.ctl(&["healthcheck"]), (Some(0), String::new()));
    let (code, top) = controlled.ctl(&["top", "--times", "1"]);
    assert_eq!(code, Some(0));
    assert!(top.contains(&id), "{top}");
    assert_eq!(controlled.ctl(&["ctl", "close", &id]).0, Some(0));
    client.expect(b"\x88\x02\x03\xf0");
    client.send(close(1008));
    client.rest();
    assert_eq!(controlled.ctl(&["ctl", "drain"]).0, Some(0));
    assert_eq!(controlled.ctl(&["healthcheck"]).0, Some(1));
    assert_eq!(controlled.ctl(&["healthcheck", "--live"]).0, Some(0));
    assert_eq!(controlled.ctl(&["ctl", "undrain"]).0, Some(0));
    let nowhere = POLYSOCK.run(
        &["status", "--control", "unix:/nowhere/control.sock"],
        polysock_test_support::program::Input::NOTHING,
    );
    assert_eq!(nowhere.code, Some(1));
    assert!(
        nowhere.stderr.contains("is there a server"),
        "{}",
        nowhere.stderr
    );
}
