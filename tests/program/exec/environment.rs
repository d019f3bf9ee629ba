//! The environment variables with which a process is told about its client.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::opening::{RFC6455, with};
use polysock_test_support::server::Server;

use super::script;
use crate::POLYSOCK;

const CONNECT: &str = "GET /gr%C3%BC%20x?a=b%20c HTTP/1.1\r\n\
    Host: example.com:8080\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    User-Agent: of a test; () { :;}\r\n\
    Cookie: a=1\r\n\
    Cookie: b=2\r\n\
    X_Forwarded_For: 6.6.6.6\r\n\
    X-Forwarded-For: 6.6.6.6\r\n\
    Proxy: http://6.6.6.6\r\n\r\n";

/// Returns the environment of a process that is started with these arguments for this request.
fn environment(
    name: &str,
    arguments: &[&str],
    request: &str,
) -> (BTreeMap<String, String>, String) {
    let directory = POLYSOCK.directory(name);
    let program = script(
        &directory,
        "dump.sh",
        "#!/bin/sh\nenv -0 > environment\npwd > directory\n",
    );
    let dir = directory.to_str().unwrap();
    let mut command = POLYSOCK.command();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--exec-dir", dir])
        .args(arguments)
        .args(["--", program.to_str().unwrap()])
        .env("PASSED", "passed")
        .env("SECRET", "of the server")
        .stdin(Stdio::null());
    let server = Server::start(&mut command, PATIENCE).unwrap();
    let (mut client, _) = server.answers(request, 101);
    let address = client.address();
    client.gone();
    let variables = fs::read_to_string(directory.join("environment")).unwrap();
    let variables = variables.split_terminator('\0').map(|variable| {
        let (name, value) = variable.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let started_in = fs::read_to_string(directory.join("directory")).unwrap();
    assert_eq!(started_in.trim_end(), dir);
    (variables.collect(), address.port().to_string())
}

#[test]
fn a_process_gets_the_variables_of_cgi_and_websocketd() {
    let arguments = [
        "--exec-env",
        "MODE=test=1",
        "--exec-pass-env",
        "PASSED,NOT_THERE",
    ];
    let (mut found, port) = environment("environment", &arguments, CONNECT);
    let unique = found.remove("UNIQUE_ID").unwrap();
    assert_eq!(unique.len(), 24, "{unique}");
    assert_eq!(found.remove("PATH"), std::env::var("PATH").ok());
    let software = found.remove("SERVER_SOFTWARE").unwrap();
    assert!(software.starts_with("polysock/"), "{software}");
    // Variables of the shell itself.
    for name in ["PWD", "OLDPWD", "SHLVL", "_"] {
        found.remove(name);
    }
    let expected = [
        ("AUTH_TYPE", ""),
        ("CONTENT_LENGTH", ""),
        ("CONTENT_TYPE", ""),
        ("GATEWAY_INTERFACE", "websocketd-CGI/0.1"),
        ("HTTP_CONNECTION", "Upgrade"),
        ("HTTP_COOKIE", "a=1, b=2"),
        ("HTTP_HOST", "example.com:8080"),
        ("HTTP_SEC_WEBSOCKET_KEY", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("HTTP_SEC_WEBSOCKET_VERSION", "13"),
        ("HTTP_UPGRADE", "websocket"),
        ("HTTP_USER_AGENT", "of a test; () { :;}"),
        ("MODE", "test=1"),
        ("PASSED", "passed"),
        ("PATH_INFO", "/grü x"),
        ("PATH_TRANSLATED", "/grü x"),
        ("QUERY_STRING", "a=b%20c"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_HOST", "127.0.0.1"),
        ("REMOTE_IDENT", ""),
        ("REMOTE_PORT", &port),
        ("REMOTE_USER", ""),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/gr%C3%BC%20x?a=b%20c"),
        ("SCRIPT_NAME", "/"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PORT", "8080"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn a_secure_client_without_a_port_gets_443_and_a_nul_stays_escaped() {
    let request = RFC6455.replace("/chat", "/a%00b");
    let request = with(&request, "Origin: https://example.com\r\n");
    let (found, _) = environment("secure-environment", &["--secure"], &request);
    for (name, value) in [
        ("HTTPS", "on"),
        ("SERVER_NAME", "server.example.com"),
        ("SERVER_PORT", "443"),
        ("PATH_INFO", "/a%00b"),
        ("QUERY_STRING", ""),
        ("HTTP_ORIGIN", "https://example.com"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
}
