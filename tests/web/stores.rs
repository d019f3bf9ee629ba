//! Stores that are reached over the network.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use polysock::upstream::UpstreamSettings;
#[cfg(feature = "redis")]
use polysock_web::SessionStore;
use polysock_web::{HttpSessions, Memcached, PhpSessions, SessionError};
use serde_json::json;

use crate::find;

/// Starts a server that runs this for each connection.
fn server(serve: impl Fn(BufReader<TcpStream>) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (Arc::clone(&serve), stream.unwrap());
            thread::spawn(move || serve(BufReader::new(stream)));
        }
    });
    address
}

fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(1..) => Some(line.trim_end().to_owned()),
        _ => None,
    }
}

/// The requests of the clients, in order.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// Starts a server of Redis. `answer` returns the bytes of the answer to `GET` for a key. For
/// `None`, the connection is closed.
#[cfg(feature = "redis")]
pub(super) fn redis(answer: fn(&str) -> Option<&'static str>) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let address = server(move |mut stream| {
        while let Some(count) = line(&mut stream) {
            let count: usize = count.strip_prefix('*').unwrap().parse().unwrap();
            let words = (0..count).map(|_| {
                line(&mut stream).unwrap();
                line(&mut stream).unwrap()
            });
            let words: Vec<String> = words.collect();
            noted.lock().unwrap().push(words.join(" "));
            let answer = match &*words[0] {
                "GET" => answer(&words[1]),
                _ => Some("+OK\r\n"),
            };
            let Some(answer) = answer else { return };
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, asked)
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_look_up_in_redis_is_one_round_trip_and_the_connection_is_kept() {
    let (address, asked) = redis(|key| match key {
        "PHPREDIS_SESSION:here" => Some("$13\r\nuser_id|i:42;\r\n"),
        "PHPREDIS_SESSION:error" => Some("-WRONGTYPE no string\r\n"),
        "PHPREDIS_SESSION:close" => None,
        _ => Some("$-1\r\n"),
    });
    let store = polysock_web::Redis::new(&format!("redis://{address}/")).unwrap();
    let sessions = PhpSessions::new(store.clone());
    for _ in 0..5 {
        let values = find(&sessions, "PHPSESSID=here").await.unwrap().unwrap();
        assert_eq!(values.get("user_id"), Some(json!(42)));
        assert!(find(&sessions, "PHPSESSID=none").await.unwrap().is_none());
    }
    let commands = |asked: &Asked| {
        let asked = asked.lock().unwrap();
        let begins = asked.iter().position(|asked| asked.starts_with("GET"));
        asked[begins.unwrap()..].to_vec()
    };
    // One GET for each look-up, and no other command, on one connection.
    let of_both = ["GET PHPREDIS_SESSION:here", "GET PHPREDIS_SESSION:none"];
    assert_eq!(commands(&asked), of_both.repeat(5));
    let error = find(&sessions, "PHPSESSID=error").await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    // A new connection replaces one that was closed.
    find(&sessions, "PHPSESSID=close").await.unwrap_err();
    let values = find(&sessions, "PHPSESSID=here").await.unwrap();
    assert!(values.is_some());
    let other = PhpSessions::new(store.prefix("app:"));
    assert!(find(&other, "PHPSESSID=here").await.unwrap().is_none());
    assert_eq!(commands(&asked).last().unwrap(), "GET app:here");
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn an_unreachable_redis_is_an_error_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("redis://:hush@{address}/2");
    let store = polysock_web::Redis::new(&url).unwrap();
    assert!(!store.place().contains("hush"), "{}", store.place());
    assert!(!format!("{store:?}").contains("hush"), "{store:?}");
    let error = find(&PhpSessions::new(store), "PHPSESSID=a").await;
    let error = error.unwrap_err();
    assert!(matches!(error, SessionError::Unavailable(_)), "{error}");
    let error = polysock_web::Redis::new("http://:hush@a/").unwrap_err();
    let said = "is not a URL of Redis";
    assert!(error.to_string().contains(said), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn memcached_is_asked_by_its_text_protocol() {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let address = server(move |mut stream| {
        while let Some(request) = line(&mut stream) {
            noted.lock().unwrap().push(request.clone());
            let key = request.strip_prefix("get ").unwrap();
            let answer = match key.rsplit('.').next().unwrap() {
                "here" => format!("VALUE {key} 0 13\r\nuser_id|i:42;\r\nEND\r\n"),
                "compressed" => format!("VALUE {key} 48 3\r\nabc\r\nEND\r\n"),
                "long" => format!("VALUE {key} 0 1048577\r\n"),
                "cut" => format!("VALUE {key} 0 5\r\nabc"),
                "other" => "VALUE other 0 3\r\nabc\r\nEND\r\n".to_owned(),
                "error" => "SERVER_ERROR out of memory\r\n".to_owned(),
                "endless" => "VALUE ".repeat(200),
                "number" => format!("VALUE {key} 0 -3\r\nabc\r\nEND\r\n"),
                "close" => return,
                _ => "END\r\n".to_owned(),
            };
            stream.get_mut().write_all(answer.as_bytes()).ok();
            if ["cut", "long", "endless"]
                .iter()
                .any(|end| key.ends_with(end))
            {
                return;
            }
        }
    });
    let store = Memcached::new(&address.to_string());
    let sessions = PhpSessions::new(store.clone());
    for _ in 0..3 {
        let values = find(&sessions, "PHPSESSID=here").await.unwrap().unwrap();
        assert_eq!(values.get("user_id"), Some(json!(42)));
        assert!(find(&sessions, "PHPSESSID=none").await.unwrap().is_none());
    }
    assert_eq!(asked.lock().unwrap().len(), 6);
    for (id, expected) in [
        (
            "compressed",
            "the value is compressed, or not a string (its flags are 48): turn Memcached::OPT_COMPRESSION off",
        ),
        ("long", "1048577 bytes are over the limit of 1048576"),
    ] {
        let error = find(&sessions, &format!("PHPSESSID={id}"))
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Broken(_)), "{id}");
        assert_eq!(error.to_string(), expected);
    }
    for id in ["cut", "other", "error", "endless", "number", "close"] {
        let error = find(&sessions, &format!("PHPSESSID={id}"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, SessionError::Unavailable(_)),
            "{id}: {error}"
        );
        // The next look-up succeeds after the failure.
        let values = find(&sessions, "PHPSESSID=here").await.unwrap();
        assert!(values.is_some(), "{id}");
    }
    // A key that is too long for memcached.
    let longest = format!("PHPSESSID={}", "a".repeat(256));
    assert!(find(&sessions, &longest).await.unwrap().is_none());
    let of_symfony = PhpSessions::new(store.prefix("sf2s"));
    assert!(find(&of_symfony, "PHPSESSID=x").await.unwrap().is_none());
    assert_eq!(asked.lock().unwrap().last().unwrap(), "get sf2sx");
}

#[tokio::test]
async fn an_app_is_asked_with_the_cookie_and_the_origin() {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let address = server(move |mut stream| {
        while let Some(request) = line(&mut stream) {
            let mut cookie = String::new();
            loop {
                let field = line(&mut stream).unwrap();
                if field.is_empty() {
                    break;
                }
                if let Some((name, value)) = field.split_once(": ")
                    && name.eq_ignore_ascii_case("cookie")
                {
                    cookie = value.to_owned();
                }
            }
            noted.lock().unwrap().push(format!("{request} [{cookie}]"));
            let (status, body) = match &*cookie {
                "sid=ann" => ("200 OK", "{\"user_id\":42}".to_owned()),
                "sid=broken" => ("200 OK", "{".to_owned()),
                "sid=none" => ("204 No Content", String::new()),
                "sid=long" => ("200 OK", " ".repeat(1024 * 1024 + 1)),
                "sid=failing" => ("500 Internal Server Error", String::new()),
                "sid=elsewhere" => ("302 Found", String::new()),
                "sid=banned" => ("403 Forbidden", String::new()),
                _ => ("401 Unauthorized", String::new()),
            };
            let length = match status.starts_with("204") {
                true => String::new(),
                false => format!("Content-Length: {}\r\n", body.len()),
            };
            let answer = format!("HTTP/1.1 {status}\r\n{length}\r\n{body}");
            stream.get_mut().write_all(answer.as_bytes()).ok();
        }
        stream.get_mut().read_to_end(&mut Vec::new()).ok();
    });
    let url = format!("http://{address}/session?from=polysock");
    let sessions = HttpSessions::new(&url, UpstreamSettings::default()).unwrap();
    let values = find(&sessions, "sid=ann").await.unwrap().unwrap();
    assert_eq!(values.get("user_id"), Some(json!(42)));
    assert!(find(&sessions, "sid=none").await.unwrap().is_none());
    for (cookie, expected) in [
        (
            "sid=broken",
            "the data are not JSON: error at line 1, column 1",
        ),
        ("sid=failing", "the app answered 500"),
        ("sid=elsewhere", "the app answered 302"),
        ("sid=banned", "the client is refused with 403"),
        ("sid=other", "the client is refused with 401"),
        ("sid=long", "length limit exceeded"),
    ] {
        let error = find(&sessions, cookie).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{cookie}");
    }
    let first = asked.lock().unwrap()[0].clone();
    assert_eq!(first, "GET /session?from=polysock HTTP/1.1 [sid=ann]");
}
