//! Authentication, as set in a configuration file.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, field, with};
use polysock_test_support::program::{self, Input};
use polysock_test_support::server::Server;

use crate::POLYSOCK;
use crate::configured::serve;

/// The password-file lines of `ann` and of `bob`. Both passwords are `open sesame`.
const ANN: &str = "ann:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";
const BOB: &str = "bob:$5$abcdefgh$FWXdh6oXOJQkX7oAcP02d0Gnxjct6ra8Fwv29U9RIN2\n";

/// The `Authorization` fields of `ann:open sesame` and `bob:open sesame`.
const OF_ANN: &str = "Authorization: Basic YW5uOm9wZW4gc2VzYW1l\r\n";
const OF_BOB: &str = "Authorization: Basic Ym9iOm9wZW4gc2VzYW1l\r\n";

/// An HS256 token signed with [`SECRET`], with the claims
/// `{"sub":"ann","room":"7","exp":4102444800}`.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJyb29tIjoiNyIsImV4cCI6NDEwMjQ0NDgwMH0.6Apxba5E2QsXN4NA59sefQuGFKo329qKOJ1-rGZLB_0";
const SECRET: &str = "0123456789abcdef0123456789abcdef\n";

/// Returns the directory of the server with this name.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Returns the first message on a connection that is admitted.
#[track_caller]
fn told(server: &Server, request: &str, fields: &str) -> String {
    let (mut client, _) = server.answers(with(request, fields), 101);
    let header = client.take(2);
    assert_eq!(header[0], 0x81);
    String::from_utf8(client.take(header[1].into())).unwrap()
}

#[test]
fn a_route_with_basic_authentication_demands_a_password() {
    let routes = "[defaults]\nauth.basic = { file = \"users\", realm = \"meters\" }\n\
         [[route]]\npath = \"/open\"\ntarget = \"app:echo\"\nauth = \"none\"\n\
         [[route]]\ntarget = '''exec:sh -c \"echo user=$$REMOTE_USER; cat -u\"'''\n";
    let mut server = serve("auth-basic", routes, &[("users", ANN)]);
    server.answers(RFC6455.replace("/chat", "/open"), 101);
    let (_, head) = server.answers(RFC6455, 401);
    let challenge = "Basic realm=\"meters\", charset=\"UTF-8\"";
    assert_eq!(field(&head, "www-authenticate"), Some(challenge));
    assert_eq!(told(&server, RFC6455, OF_ANN), "user=ann");
    server.answers(with(RFC6455, OF_BOB), 401);
    // An added user is admitted without a reload, and a removed user is refused.
    fs::write(scratch("auth-basic").join("users"), BOB).unwrap();
    let begun = Instant::now();
    while server
        .ask(with(RFC6455, OF_BOB))
        .1
        .starts_with("HTTP/1.1 401 ")
    {
        assert!(begun.elapsed() < PATIENCE, "the file is not read again");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(told(&server, RFC6455, OF_BOB), "user=bob");
    server.answers(with(RFC6455, OF_ANN), 401);
    let log = server.stop();
    for hidden in ["sesame", "YW5uOm9w", "Ym9iOm9w", "$2y$"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

#[test]
fn a_token_is_masked_everywhere_and_its_claims_are_passed_on() {
    let upstream = serve_fields();
    let routes = format!(
        "[[route]]\ntarget = \"ws://{}/\"\nprotocols = \"all\"\n\
         request_headers.set = {{ X-User = \"{{auth.user}}\", X-Room = \"{{auth.claim.room}}\" }}\n\
         [route.auth]\npass_authorization = false\n\
         jwt = {{ secret = \"secret\", from = [\"header\", \"cookie:sid\", \"query:t\", \"subprotocol:bearer\"] }}\n",
        upstream.address
    );
    let mut server = serve("auth-jwt", &routes, &[("secret", SECRET)]);
    let spoofed = "X-User: mallory\r\nX-Room: 8\r\n";
    let query = RFC6455.replace("/chat", &format!("/chat?a=b&t={TOKEN}"));
    for (request, fields) in [
        (RFC6455, format!("Authorization: Bearer {TOKEN}\r\n")),
        (RFC6455, format!("Cookie: sid={TOKEN}\r\n")),
        (
            RFC6455,
            format!("Sec-WebSocket-Protocol: bearer, {TOKEN}\r\n"),
        ),
        (&query, String::new()),
    ] {
        let said = told(&server, request, &(fields + spoofed));
        assert_eq!(said, "user=ann room=7 auth=");
    }
    // Browsers of hixie-76 cannot set fields, so the token is in the query. An invalid token is
    // masked in the log too.
    let hixie = HIXIE_76.replace("/demo", &format!("/demo?t={TOKEN}"));
    let (mut client, head) = server.ask([hixie.as_bytes(), HIXIE_76_BODY].concat());
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.take(16);
    client.expect(b"\0user=ann room=7 auth=\xff");
    server.answers(HIXIE_76.replace("/demo", "/demo?t=hush7"), 401);
    server.answers("GET /x?t=hush8 HTTP/1.1\r\nHost: a\r\n\r\n", 401);
    let line = server.log_line(" reject ");
    assert!(line.contains("target=\"/demo?t=***\""), "{line}");
    let line = server.log_line(" request ");
    assert!(line.contains("target=\"/x?t=***\""), "{line}");
    let log = server.stop();
    let [_, _, signature] = TOKEN.split('.').collect::<Vec<_>>()[..] else {
        panic!("a token has three parts");
    };
    for hidden in [signature, "hush7", "hush8"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

/// Starts an authentication endpoint that admits clients with the cookie `sid=1`.
fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client::over(stream.unwrap());
            let head = client.head();
            let answer = match field(&head, "cookie") {
                Some("sid=1") => "200 OK\r\nX-User: ann",
                _ => "302 Found\r\nLocation: /login",
            };
            client.send(format!(
                "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ));
        }
    });
    address
}

#[test]
fn an_endpoint_admits_clients_and_its_fields_are_passed_on() {
    let endpoint = endpoint();
    let routes = format!(
        "[[route]]\ntarget = '''exec:sh -c \"echo user=$$REMOTE_USER; cat -u\"'''\n\
         auth.forward = {{ url = \"http://{endpoint}/check\", user = \"X-User\" }}\n"
    );
    let behind = serve("auth-forward", &routes, &[]);
    let (_, head) = behind.answers(with(RFC6455, "X-User: ann\r\n"), 302);
    assert_eq!(field(&head, "location"), Some("/login"));
    assert_eq!(told(&behind, RFC6455, "Cookie: sid=1\r\n"), "user=ann");
    // A second server behind it receives the user in a field that no client can forge.
    let fields = serve_fields();
    let routes = format!(
        "[[route]]\ntarget = \"ws://{}/\"\n\
         auth.forward = {{ url = \"http://{endpoint}/check\", pass = \"X-User\" }}\n",
        fields.address
    );
    let passing = serve("auth-forward-pass", &routes, &[]);
    let spoofed = "Cookie: sid=1\r\nX-User: mallory\r\n";
    assert_eq!(told(&passing, RFC6455, spoofed), "user=ann room= auth=");
}

/// Starts a server that sends some of the fields that it receives.
fn serve_fields() -> Server {
    let routes = "[[route]]\ntarget = '''exec:sh -c \"echo user=$$HTTP_X_USER room=$$HTTP_X_ROOM \
                  auth=$$HTTP_AUTHORIZATION; cat -u\"'''\n";
    let name = format!("auth-fields-{:?}", thread::current().id());
    serve(&name, routes, &[])
}

#[test]
fn an_invalid_password_file_is_reported_at_startup() {
    let directory = POLYSOCK.directory("auth-check");
    let text = "[[route]]\ntarget = \"app:chat\"\nauth.basic.file = \"users\"\n";
    fs::write(directory.join("polysock.toml"), text).unwrap();
    fs::write(directory.join("users"), "ann:secret\n").unwrap();
    for command in [["check", "--config"], ["serve", "--config"]] {
        let mut command_line = POLYSOCK.command();
        command_line
            .args(command)
            .arg("polysock.toml")
            .current_dir(&directory);
        let run = program::run(&mut command_line, PATIENCE, Input::NOTHING);
        assert_eq!(run.code, Some(78), "{}", run.stderr);
        let said = "`users`: line 1: the password is in plain text or in an unknown hash format: create a new hash with `htpasswd -B`";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    }
}

#[test]
fn plain_text_credentials_cause_a_warning_unless_local_or_secure() {
    let directory = scratch("auth-plain");
    let _ = fs::create_dir_all(&directory);
    fs::write(directory.join("users"), ANN).unwrap();
    let file = directory.join("polysock.toml");
    for (address, secure, is_warned) in [
        ("0.0.0.0:0", "", true),
        ("0.0.0.0:0", "secure = true\n", false),
        ("127.0.0.1:0", "", false),
    ] {
        let text = format!(
            "[[listener]]\naddress = {address:?}\n{secure}\
             [[route]]\npath = \"/meters\"\ntarget = \"app:echo\"\nauth.basic.file = \"users\"\n\
             [[route]]\ntarget = \"app:echo\"\n"
        );
        fs::write(&file, text).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let log = POLYSOCK.serve_on(address, &config).stop();
        let warning = "passwords and tokens cross the network in plain text";
        let lines: Vec<_> = log.lines().filter(|line| line.contains(warning)).collect();
        assert_eq!(
            lines.len(),
            usize::from(is_warned),
            "{address} {secure}: {log}"
        );
        assert!(
            lines
                .iter()
                .all(|line| line.contains("routes=[\"/meters\"]")),
            "{log}"
        );
    }
}
