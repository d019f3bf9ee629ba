//! Requests to the control listener that read the state of the server.

use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{RFC6455, with};

use super::{configured, on_tcp, on_unix};

#[test]
fn health_metrics_and_connections_can_be_read() {
    let controlled = on_unix("control-read", &["--app", "echo"]);
    for (path, expected) in [
        ("/livez", "ok\n"),
        ("/readyz", "ok\n"),
        ("/v1/readyz", "ok\n"),
    ] {
        assert_eq!(controlled.get(path), (200, expected.to_owned()), "{path}");
    }
    let mut client = controlled.server.websocket();
    client.send(frame(0x81, "hello"));
    client.expect(b"\x81\x05hello");
    controlled.has(1);
    let list = controlled.json("/connections?protocol=rfc6455&sort=-age");
    let connection = &list["connections"][0];
    assert_eq!(connection["protocol"], "rfc6455");
    assert_eq!(connection["transport"], "tcp");
    assert_eq!(connection["received_messages"], 1);
    assert_eq!(connection["sent_bytes"], 7);
    let id = connection["id"].as_str().unwrap();
    assert_eq!(controlled.json(&format!("/connections/{id}"))["id"], id);
    assert_eq!(
        controlled.json("/connections?protocol=hixie-76")["count"],
        0
    );
    let (_, metrics) = controlled.get("/metrics");
    for line in [
        "# TYPE polysock_connections gauge",
        "polysock_connections{protocol=\"rfc6455\",transport=\"tcp\",route=\"\"} 1",
        "polysock_connections_opened_total{protocol=\"rfc6455\",transport=\"tcp\",route=\"\"} 1",
        "polysock_messages_total{protocol=\"rfc6455\",direction=\"in\",kind=\"text\"} 1",
        "polysock_payload_bytes_total{protocol=\"rfc6455\",direction=\"out\"} 5",
        "polysock_message_size_bytes_bucket{le=\"125.0\",direction=\"in\"} 1",
        "polysock_ready 1",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    client.send(close(1000));
    client.rest();
    controlled.has(0);
    let (_, metrics) = controlled.get("/metrics");
    let closed = "polysock_connections_closed_total{protocol=\"rfc6455\",by=\"client\",code=\"1000\",clean=\"true\"} 1";
    assert!(metrics.contains(closed), "{metrics}");
    assert_eq!(controlled.json("/status.json")["schema"], 1);
    assert_eq!(
        controlled.json("/version")["version"],
        env!("CARGO_PKG_VERSION")
    );
    let (_, config) = controlled.get("/config");
    assert!(config.contains("[[route]]"), "{config}");
}

#[test]
fn every_protocol_is_in_the_metrics_from_the_start() {
    let controlled = on_unix("control-series", &["--app", "echo", "--protocols", "all"]);
    let (_, metrics) = controlled.get("/metrics");
    for protocol in ["hixie-75", "hixie-76", "hybi-10", "rfc6455"] {
        let series = format!(
            "polysock_connections_opened_total{{protocol=\"{protocol}\",transport=\"tcp\",route=\"\"}} 0"
        );
        assert!(metrics.contains(&series), "{series}\n{metrics}");
    }
}

#[test]
fn a_refusal_contains_its_reason_and_advice() {
    let controlled = on_unix(
        "control-refusals",
        &["--app", "echo", "--origin", "https://good.example"],
    );
    let evil = with(
        RFC6455,
        "Origin: https://evil.example\r\nCookie: secret=7\r\nUser-Agent: meter-7\r\n",
    );
    controlled.server.answers(&evil, 403);
    let refusals = controlled.json("/refusals");
    let refusal = &refusals["refusals"][0];
    assert_eq!(refusal["status"], 403, "{refusals}");
    assert_eq!(refusal["reason"], "application");
    let head = refusal["head"].as_str().unwrap();
    assert!(
        head.contains("evil.example") && !head.contains("secret=7"),
        "{head}"
    );
    let wrong = RFC6455.replace("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 99");
    controlled.server.answers(&wrong, 426);
    let refusals = controlled.json("/refusals");
    let refusal = &refusals["refusals"][0];
    assert_eq!(refusal["reason"], "version");
    assert!(refusal["section"].as_str().unwrap().starts_with("RFC 6455"));
    let (_, metrics) = controlled.get("/metrics");
    for line in [
        "polysock_handshakes_refused_total{reason=\"version\",status=\"426\"} 1",
        "polysock_handshakes_refused_total{reason=\"application\",status=\"403\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn the_census_distinguishes_devices_and_survives_a_restart() {
    let file = crate::POLYSOCK
        .directory("control-census")
        .join("census.json");
    let config = crate::POLYSOCK
        .directory("control-census-config")
        .join("polysock.toml");
    let socket = crate::POLYSOCK
        .directory("control-census-socket")
        .join("control.sock");
    let text = format!(
        "[control]\nlisten = \"unix:{}\"\ncensus = \"{}\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\ntarget = \"app:echo\"\n",
        socket.display(),
        file.display()
    );
    std::fs::write(&config, text).unwrap();
    for round in 1..=2 {
        let mut controlled = configured(&config, socket.clone());
        let agent = "User-Agent: Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Version/5.1 Safari/7534.48.3\r\n";
        let ipad = with(RFC6455, agent);
        let (_client, _) = controlled.server.answers(&ipad, 101);
        let (_other, _) = controlled.server.answers(RFC6455, 101);
        controlled.has(2);
        let census = controlled.json("/census");
        let rows = census["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["device"] == "iPad, iOS 5");
        let row = row.unwrap_or_else(|| panic!("{census}"));
        assert_eq!((&row["total"], &row["live"]), (&round.into(), &1.into()));
        let unnamed = rows
            .iter()
            .find(|row| row["device"].as_str().unwrap().starts_with("unnamed "));
        let unnamed = unnamed.unwrap();
        assert_eq!(
            (&unnamed["total"], &unnamed["live"]),
            (&round.into(), &1.into())
        );
        controlled.server.stop();
    }
}

/// The census remembers a refusal even if it was not read meanwhile.
#[test]
fn the_census_keeps_a_refusal_after_many_later_ones() {
    let controlled = on_tcp("control-refused", false, &["--app", "echo"]);
    let agent = "User-Agent: Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Version/5.1 Safari/7534.48.3\r\n";
    let ipad = with(RFC6455, agent);
    let (_client, _) = controlled.server.answers(&ipad, 101);
    controlled.has(1);
    let strange = |request: &str| request.replace("Version: 13", "Version: 99");
    drop(controlled.server.answers(strange(&ipad), 426));
    for _ in 0..150 {
        drop(controlled.server.answers(strange(RFC6455), 426));
    }
    let census = controlled.json("/census");
    let rows = census["rows"].as_array().unwrap();
    let [row] = &rows[..] else {
        panic!("{census}");
    };
    assert_eq!(row["device"], "iPad, iOS 5");
    assert_eq!(
        (&row["total"], &row["last_refusal"]),
        (&1.into(), &"version".into())
    );
    let refusals = controlled.json("/refusals");
    assert_eq!(refusals["refusals"].as_array().unwrap().len(), 100);
}

#[test]
fn a_failed_read_is_answered_with_a_problem_document() {
    let controlled = on_tcp("control-wrong", false, &["--app", "echo"]);
    for (path, status, part) in [
        ("/nothing", 404, "there is nothing"),
        ("/connections?sort=name", 400, "write id, age"),
        ("/connections?older=soon", 400, "older: "),
        ("/connections?colour=red", 400, "colour is not a parameter"),
        ("/connections?limit=0", 400, "limit: "),
        ("/connections/none", 400, "not the ID of a connection"),
        ("/connections/a3f9c2-1f", 404, "no such connection"),
    ] {
        let (got, head, body) = controlled.ask_with("GET", path, &[], "");
        assert_eq!(got, status, "{path}: {body}");
        assert!(head.contains("application/problem+json"), "{head}");
        assert!(body.contains(part), "{path}: {body}");
    }
    let (status, head, body) =
        controlled.ask_with("GET", "/connections", &[("Host", "evil.example")], "");
    assert_eq!(status, 421, "{head}\n{body}");
}
