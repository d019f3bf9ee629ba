//! Admission rules by protocol, network and user agent: the answers to clients, and the log.

use polysock_test_support::client::Client;
use polysock_test_support::http2;
use polysock_test_support::opening::{
    HIXIE_75, HIXIE_76, HIXIE_76_BODY, RFC6455, assert_status, versioned, with,
};
use polysock_test_support::server::Server;

use crate::configured::serve;

/// Starts a server behind a proxy that sends the addresses of clients.
fn proxied(name: &str, routes: &str) -> Server {
    let listener = "proxy_protocol = \"127.0.0.1\"\nforwarded = \"127.0.0.1\"\n";
    serve(name, &[listener, routes].concat(), &[])
}

/// Connects as a client from this address, and sends the request.
fn from(server: &Server, source: &str, request: impl AsRef<[u8]>) -> Client {
    let mut client = server.connect();
    let header = format!("PROXY TCP4 {source} 192.0.2.1 51234 80\r\n");
    client.send([header.as_bytes(), request.as_ref()].concat());
    client
}

#[test]
fn the_first_rule_that_is_for_a_client_decides_and_the_log_names_it() {
    let routes = "\
        [defaults]\nprotocols = \"all\"\n\
        [[route]]\npath = \"/demo\"\ntarget = \"app:echo\"\npolicy = [\n\
        { name = \"kiosks\", protocols = \"hixie-76\", networks = [\"10.0.0.0/8\"], action = \"allow\" },\n\
        { user_agent = \"*PhantomJS/1*\" },\n\
        { protocols = [\"legacy\", \"hybi-07\"] },\n]\n\
        [[route]]\ntarget = \"app:echo\"\n";
    let mut server = proxied("policy", routes);
    let hixie_76 = [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat();
    let agent = |head: &str| with(head, "User-Agent: Mozilla/5.0 PhantomJS/1.9.8 Safari\r\n");
    let at = |head: &str| head.replace("/chat", "/demo").into_bytes();
    let get = "GET /demo HTTP/1.1\r\nHost: a\r\n\r\n";
    for (source, request, status, rule) in [
        ("10.1.2.3", hixie_76.clone(), 101, ""),
        ("192.168.1.2", hixie_76.clone(), 403, "rule 3"),
        ("10.1.2.3", at(HIXIE_75), 403, "rule 3"),
        ("10.1.2.3", at(&versioned("7", "")), 403, "rule 3"),
        ("192.168.1.2", at(&versioned("8", "")), 101, ""),
        ("192.168.1.2", at(RFC6455), 101, ""),
        ("192.168.1.2", at(&agent(RFC6455)), 403, "rule 2"),
        ("10.1.2.3", at(&agent(RFC6455)), 403, "rule 2"),
        // Ordinary requests, and another route.
        ("10.1.2.3", at(get), 426, ""),
        ("10.1.2.3", at(&agent(get)), 403, "rule 2"),
        ("192.168.1.2", agent(RFC6455).into_bytes(), 101, ""),
    ] {
        let mut client = from(&server, source, &request);
        let head = client.head();
        assert_status(&head, status);
        if rule.is_empty() {
            continue;
        }
        client.finish();
        let said = String::from_utf8(client.rest()).unwrap();
        assert_eq!(said, "this client is not served here\n");
        assert!(!head.contains("rule") && !head.contains("policy"), "{head}");
        let line = server.log_line("reason=");
        let expected = format!("{rule} of the policy of /demo denies it");
        assert!(line.contains(&expected) && line.contains(source), "{line}");
    }
    let log = server.stop();
    assert!(!log.contains("kiosks"), "{log}");
}

#[test]
fn rules_hold_for_requests_that_a_proxy_passes_on_and_on_streams_of_http2() {
    let policy = "policy = { networks = [\"203.0.113.0/24\"] }\n";
    let route = "[[route]]\ntarget = \"app:echo\"\n";
    let server = serve(
        "policy-http2",
        &["forwarded = \"127.0.0.1\"\n", route, policy].concat(),
        &[],
    );
    for (address, statuses) in [("203.0.113.7", [403, 403]), ("198.51.100.7", [101, 426])] {
        let field = format!("X-Forwarded-For: {address}\r\n");
        server.answers(with(RFC6455, &field), statuses[0]);
        server.answers(
            with("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &field),
            statuses[1],
        );
    }
    http2::run(async move {
        let mut peer = http2::Peer::connect(server.address).await;
        let version = ("sec-websocket-version", "13");
        for (address, status) in [("203.0.113.7", 403), ("198.51.100.7", 200)] {
            let fields = [version, ("x-forwarded-for", address)];
            let (response, _stream) = peer.open("websocket", &fields).await;
            assert_eq!(response.status().as_u16(), status, "{address}");
        }
    });
}

#[test]
fn a_log_only_rule_logs_clients_that_it_would_refuse() {
    let routes = "[[route]]\nname = \"old\"\ntarget = \"app:echo\"\npolicy = [\n\
        { name = \"try\", protocols = \"rfc6455\", log_only = true },\n\
        { protocols = \"hybi-10\", log_only = true },\n{ protocols = \"hybi-10\" } ]\n";
    let mut server = proxied("policy-log", routes);
    let mut client = from(&server, "203.0.113.7", RFC6455);
    assert_status(&client.head(), 101);
    let line = server.log_line("would be refused");
    for part in [
        "rule `try` of the policy of old denies it",
        "peer=203.0.113.7:51234",
        "protocol=\"rfc6455\"",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let mut client = from(&server, "203.0.113.7", versioned("8", ""));
    assert_status(&client.head(), 403);
    server.log_line("rule 2 of the policy of old denies it");
    server.log_line("rule 3 of the policy of old denies it");
}
