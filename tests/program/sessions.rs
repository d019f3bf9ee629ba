//! Sessions of web applications, as set in a configuration file.

use std::fs;
use std::path::{Path, PathBuf};

use polysock_test_support::PATIENCE;
use polysock_test_support::frame::unmasked;
use polysock_test_support::http2;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, with};
use polysock_test_support::program::{self, Input};
use polysock_test_support::server::Server;

use crate::POLYSOCK;
use crate::configured::serve;

const COOKIE: &str = "Cookie: a=b; PHPSESSID=0123456789abcdefghijklmnop\r\n";
const FORGED: &str = "X-Session-User: mallory\r\nX-Session-Name: mallory\r\n";

/// Creates a folder of sessions, with one session of this data.
fn sessions(name: &str, data: &str) -> PathBuf {
    let folder = POLYSOCK.directory(name);
    write(&folder, data);
    folder
}

fn write(folder: &Path, data: &str) {
    // Atomically, as the test holds no lock.
    let (new, file) = (folder.join("new"), "sess_0123456789abcdefghijklmnop");
    fs::write(&new, data).unwrap();
    fs::rename(new, folder.join(file)).unwrap();
}

/// Starts a server that sends some of the fields that it receives.
fn serve_fields(name: &str) -> Server {
    let routes = "[[route]]\ntarget = '''exec:sh -c \"echo user=$$HTTP_X_SESSION_USER \
                  name=$$HTTP_X_SESSION_NAME; cat -u\"'''\n";
    serve(name, routes, &[])
}

/// Starts a gateway in front of it whose clients need a session in this folder.
fn serve_sessions(name: &str, upstream: &Server, folder: &Path) -> Server {
    let routes = format!(
        "[session.shop]\nurl = \"files:{}\"\nrecheck = \"100ms\"\n\
         [[route]]\ntarget = \"ws://{}/\"\nprotocols = \"all\"\nsession = \"shop\"\nrequire_session = \"user_id\"\n\
         request_headers.set = {{ X-Session-User = \"{{session.user_id}}\", X-Session-Name = \"{{session.user.name}}\" }}\n",
        folder.display(),
        upstream.address
    );
    serve(name, &routes, &[])
}

#[test]
fn clients_of_every_kind_are_passed_on_with_their_session_or_refused() {
    let folder = sessions("session-files", "user_id|i:42;");
    let upstream = serve_fields("session-fields");
    let mut server = serve_sessions("session-gateway", &upstream, &folder);
    let said = "user=42 name=";
    let (mut client, _) = server.answers(with(RFC6455, &(COOKIE.to_owned() + FORGED)), 101);
    client.expect(unmasked(0x81, said));
    let request = with(HIXIE_76, &(COOKIE.to_owned() + FORGED));
    let (mut of_hixie, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    of_hixie.take(16);
    of_hixie.expect([b"\0", said.as_bytes(), b"\xff"].concat());
    let address = server.address;
    http2::run(async move {
        let mut client = http2::Peer::connect(address).await;
        let fields = [
            ("cookie", "PHPSESSID=0123456789abcdefghijklmnop"),
            ("x-session-user", "mallory"),
        ];
        let (mut socket, _) = client.websocket_with(&fields).await;
        socket.expect(unmasked(0x81, said)).await;
        let fields = [
            ("sec-websocket-version", "13"),
            ("x-session-user", "mallory"),
        ];
        let (status, _, text) = client.refused("websocket", &fields).await;
        assert_eq!((status, &*text), (403, "a session is required\n"));
    });
    for fields in [
        "",
        FORGED,
        "Cookie: PHPSESSID=other\r\n",
        "Cookie: PHPSESSID=../new\r\n",
    ] {
        server.answers(with(RFC6455, fields), 403);
        let request = with(HIXIE_76, fields);
        let (_, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        server.answers(with("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", fields), 403);
    }
    // A client that has not logged in may have a session too.
    write(&folder, "cart|a:0:{}");
    server.answers(with(RFC6455, COOKIE), 403);
    // Open connections are closed once their user has logged out.
    client.expect(unmasked(0x88, b"\x03\xf0"));
    of_hixie.expect(b"\xff\0");
    // Broken data count as no session, and are logged without their content.
    write(&folder, "user_id|i:42;secret|s:4:\"hush");
    server.answers(with(RFC6455, COOKIE), 403);
    let line = server.log_line(" a session cannot be read ");
    for part in [
        "store=\"files:",
        "session=\"0123…\"",
        "error=byte 29 is not part of a value serialized by PHP",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let log = server.stop();
    for hidden in ["hush", "456789", "mallory"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

#[test]
fn unusable_session_settings_are_reported_at_startup() {
    let directory = POLYSOCK.directory("session-check");
    fs::write(directory.join("empty"), "\n").unwrap();
    for (session, said) in [
        (
            "url = \"files:/nowhere/at-all\"",
            "`/nowhere/at-all`: No such file or directory",
        ),
        ("url = \"files:empty\"", "empty` is not a folder"),
        (
            "format = \"django\"\nkey = \"none\"",
            "none: No such file or directory",
        ),
        (
            "format = \"cookie-session\"\nkey = \"empty\"",
            "empty: the file contains no secret",
        ),
    ] {
        let text = format!(
            "[[route]]\ntarget = \"app:chat\"\nsession = \"shop\"\n[session.shop]\n{session}\n"
        );
        fs::write(directory.join("polysock.toml"), text).unwrap();
        for command in ["check", "serve"] {
            let mut command_line = POLYSOCK.command();
            command_line
                .args([command, "--config", "polysock.toml"])
                .current_dir(&directory);
            let run = program::run(&mut command_line, PATIENCE, Input::NOTHING);
            assert_eq!(run.code, Some(78), "{}", run.stderr);
            assert!(run.stderr.contains(said), "{}", run.stderr);
        }
    }
}

/// The error for a database depends on the features of the build.
#[test]
fn a_database_needs_its_feature() {
    let directory = POLYSOCK.directory("session-features");
    for (url, feature, has_it) in [
        ("sqlite:app.db", "sqlite", cfg!(feature = "sqlite")),
        (
            "postgres://127.0.0.1/app",
            "postgres",
            cfg!(feature = "postgres"),
        ),
        ("redis://127.0.0.1/", "redis", cfg!(feature = "redis")),
    ] {
        let text = format!("[[route]]\ntarget = \"app:chat\"\n[session.shop]\nurl = \"{url}\"\n");
        fs::write(directory.join("polysock.toml"), text).unwrap();
        let mut check = POLYSOCK.command();
        check
            .args(["config", "show", "--config", "polysock.toml"])
            .current_dir(&directory);
        let run = program::run(&mut check, PATIENCE, Input::NOTHING);
        let said = format!("build it with the feature `{feature}`");
        assert_eq!(run.stderr.contains(&said), !has_it, "{}", run.stderr);
        assert_eq!(run.code == Some(0), has_it, "{url}");
    }
}
