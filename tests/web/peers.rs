//! Sessions written by PHP and Symfony are read from every store, and a login is visible after a
//! reload. A test whose peer is not installed reports that and passes.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hyper::Request;
use polysock::{Peer as Client, Policy, Visitor};
use polysock_test_support::PATIENCE;
use polysock_test_support::peers::Peer;
use polysock_web::{
    Files, Memcached, PhpSessions, Serializer, Session, SessionProvider, SessionStore,
};
use serde_json::json;

use crate::files::folder;

/// Runs a step of a session in PHP. Returns the id of the session, or `None` if PHP is not
/// installed.
fn php(kind: &str, target: &str, serializer: &str, step: &str, id: &str) -> Option<String> {
    let arguments = ["--php-session", kind, target, serializer, step, id];
    let printed = Peer::start(&arguments).passes()?;
    let id = printed.lines().find_map(|line| line.strip_prefix("ID "));
    Some(id.unwrap().to_owned())
}

/// Opens the session of a client with this id.
async fn open(sessions: &PhpSessions, id: &str) -> Session {
    let provider = SessionProvider::new(sessions.clone());
    let request = Request::get("/").header("cookie", format!("PHPSESSID={id}"));
    let request = request.body(()).unwrap();
    let client = Client::default();
    let admitted = provider.check(Visitor::of_request(&request, &client)).await;
    let extensions = admitted.unwrap().extensions;
    let session = extensions.get::<Session>();
    session.expect("a session").clone()
}

/// Checks the session after a visit and after a login.
async fn checks(
    store: impl SessionStore,
    kind: &str,
    target: &str,
    (name, serializer): (&str, Serializer),
) {
    let sessions = PhpSessions::new(store).serializer(serializer);
    let own_id = "0123456789abcdefghijklmnop";
    let Some(id) = php(kind, target, name, "visit", own_id) else {
        return;
    };
    let session = open(&sessions, &id).await;
    let cart = json!({ "apples": 3, "7": "seven" });
    assert_eq!(session.get("cart"), Some(cart.clone()), "{kind} {name}");
    assert_eq!(session.get("user_id"), None, "{kind} {name}");
    // R8: a session that had been read once was never read again.
    php(kind, target, name, "login", &id).unwrap();
    assert!(session.reload().await.unwrap());
    let mut expected = vec![("cart", cart), ("user_id", json!(42))];
    if kind.starts_with("symfony:") {
        expected.extend([
            ("roles", json!(["ROLE_USER"])),
            ("shop.open", json!(true)),
            ("_symfony_flashes.notice", json!(["hello"])),
        ]);
        assert!(session.get("_sf2_meta.u").unwrap().is_u64(), "{kind}");
    } else {
        let account = json!({
            "__PHP_Incomplete_Class_Name": "Account", "name": "Zoë", "level": 3, "marks": [true, null],
        });
        expected.extend([
            ("name", json!("Zoë|\"x\"; ")),
            ("price", json!(0.1)),
            ("debt", json!(-7)),
            ("list", json!([1, "b", [], false, null])),
            ("endless", json!(null)),
            ("account", account.clone()),
            ("account.name", json!("Zoë")),
            ("suit", json!("Suit:Hearts")),
            ("alias", json!(42)),
            ("again", account),
            ("loop", json!({ "self": null })),
            ("since.date", json!("2020-01-02 03:04:05.000000")),
            ("same_list", json!([1, "b", [], false, null])),
            ("legacy", json!({ "__PHP_Incomplete_Class_Name": "Legacy" })),
        ]);
        let bytes = session.values().unwrap().bytes("bytes");
        assert_eq!(bytes.as_deref(), Some(&b"\0\xff"[..]), "{kind} {name}");
    }
    for (path, expected) in expected {
        let read = session.get(path);
        assert_eq!(read, Some(expected), "{kind} {name} {path}");
    }
}

const PHP: (&str, Serializer) = ("php", Serializer::Php);

#[tokio::test]
async fn files_of_php_and_symfony_are_read_by_all_serializers() {
    for serializer in [
        PHP,
        ("php_binary", Serializer::PhpBinary),
        ("php_serialize", Serializer::PhpSerialize),
    ] {
        let folder = folder(&format!("peers-{}", serializer.0));
        let path = folder.to_str().unwrap();
        let files = || Files::new(path).unwrap();
        checks(files(), "php:files", path, serializer).await;
        checks(files(), "symfony:files", path, serializer).await;
    }
    let folder = folder("peers-nested");
    std::fs::create_dir_all(folder.join("0/1")).unwrap();
    let nested = format!("2;{}", folder.display());
    let files = Files::new(&nested).unwrap();
    checks(files, "php:files", &nested, PHP).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_of_php_and_symfony_is_read() {
    let socket = folder("peers-redis").join("socket");
    let path = socket.to_str().unwrap();
    let mut server = Peer::start_endless(&["--redis", path]);
    if !server.says("ready to accept connections") {
        return;
    }
    let store = polysock_web::Redis::new(&format!("redis+unix://{path}")).unwrap();
    let save_path = format!("unix://{path}");
    checks(store.clone(), "php:redis", &save_path, PHP).await;
    let store = store.prefix("sf_s");
    checks(store, "symfony:redis", path, PHP).await;
}

#[tokio::test]
async fn memcached_of_php_and_symfony_is_read() {
    let file = folder("peers-memcached").join("port");
    let mut server = Peer::start_endless(&["--memcached", file.to_str().unwrap()]);
    if !server.says("server listening") {
        return;
    }
    let address = format!("127.0.0.1:{}", port(&file));
    let store = Memcached::new(&address);
    checks(store.clone(), "php:memcached", &address, PHP).await;
    checks(store.prefix("sf2s"), "symfony:memcached", &address, PHP).await;
}

/// Returns the port that memcached has written to a file.
fn port(file: &Path) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok(text) = std::fs::read_to_string(file) {
            let port = text
                .lines()
                .find_map(|line| line.strip_prefix("TCP INET: "));
            return port.unwrap().to_owned();
        }
        sleep(Duration::from_millis(10));
    }
    panic!("memcached does not say where it listens");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_table_of_symfony_is_read() {
    let file = folder("peers-pdo").join("sessions.db");
    let table = polysock_web::SessionTable::symfony();
    let store = polysock_web::Sqlite::new(&file, table);
    let dsn = format!("sqlite:{}", file.display());
    checks(store, "symfony:pdo", &dsn, PHP).await;
}
