//! Static files: `polysock serve file:DIR`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use polysock_test_support::client::Client;
use polysock_test_support::http2::Peer;
use polysock_test_support::opening::{RFC6455, assert_status, field, with};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Creates a folder with files, some of which must not be served, and a server for it.
fn site(name: &str) -> (PathBuf, Server) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("files")
        .join(name);
    let _ = fs::remove_dir_all(&scratch);
    let root = scratch.join("site");
    for (path, text) in [
        ("site/index.html", "the index"),
        ("site/sub/index.html", "of sub"),
        ("site/a b.txt", "abcdefghij"),
        ("site/app.js", "let a;"),
        ("site/app.js.gz", "gzipped"),
        ("site/app.js.br", "in br"),
        ("site/noext", "?"),
        ("site/.hidden", "hidden"),
        ("site/.git/config", "hidden"),
        ("site/.well-known/x", "known"),
        ("site/empty/x.png", ""),
        ("secret", "secret"),
        ("site-b/x", "secret"),
    ] {
        let path = scratch.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink("a b.txt", root.join("inside")).unwrap();
    symlink(scratch.join("secret"), root.join("outside")).unwrap();
    symlink("../site-b", root.join("beside")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let server = POLYSOCK.serve(&[&format!("file:{}", root.display())]);
    (root, server)
}

/// Reads the body of an answer, by its `Content-Length`.
fn body(client: &mut Client, head: &str) -> String {
    let len = field(head, "Content-Length").unwrap().parse().unwrap();
    String::from_utf8(client.take(len)).unwrap()
}

#[test]
fn a_path_is_a_file_with_its_type_or_nothing() {
    let (_, server) = site("paths");
    let mut client = server.connect();
    for (path, status, expected) in [
        ("/", 200, "text/html; charset=utf-8 the index"),
        ("/index.html?x=y", 200, "text/html; charset=utf-8 the index"),
        ("/sub/", 200, "text/html; charset=utf-8 of sub"),
        ("/a%20b.txt", 200, "text/plain; charset=utf-8 abcdefghij"),
        ("//a%20b%2etxt", 200, "text/plain; charset=utf-8 abcdefghij"),
        ("/inside", 200, "text/plain; charset=utf-8 abcdefghij"),
        ("/app.js", 200, "text/javascript; charset=utf-8 let a;"),
        ("/noext", 200, "application/octet-stream ?"),
        ("/.well-known/x", 200, "application/octet-stream known"),
        ("/empty/x.png", 200, "image/png "),
        ("/sub", 301, "./sub/"),
        ("/sub?x=y", 301, "./sub/?x=y"),
        ("//sub", 301, "./sub/"),
        ("/empty/", 404, ""),
        ("/none", 404, ""),
        ("/none/x", 404, ""),
        ("/noext/", 404, ""),
        ("/noext/x", 404, ""),
        ("/.hidden", 404, ""),
        ("/%2ehidden", 404, ""),
        ("/.git/config", 404, ""),
        ("/outside", 404, ""),
        ("/beside/x", 404, ""),
        ("/loop", 404, ""),
        ("/../secret", 404, ""),
        ("/sub/../../secret", 404, ""),
        ("/%2e%2e/secret", 404, ""),
        ("/..%2fsecret", 404, ""),
        ("/sub/..%5c..%5csecret", 404, ""),
        ("/sub\\..\\secret", 404, ""),
        ("/a%20b.txt%00", 404, ""),
        ("/..;/secret", 404, ""),
        ("/%ff", 404, ""),
    ] {
        client.send(GET.replacen('/', path, 1));
        let head = client.head();
        assert_status(&head, status);
        let text = body(&mut client, &head);
        match status {
            200 => {
                let kind = field(&head, "Content-Type").unwrap();
                assert_eq!(format!("{kind} {text}"), expected, "{path}");
            }
            301 => assert_eq!(field(&head, "Location"), Some(expected), "{path}"),
            _ => assert_eq!(text, "there is no such file\n", "{path}"),
        }
    }
    let long = format!("/{}", "x".repeat(5000));
    server.answers(GET.replacen('/', &long, 1), 404);
}

#[test]
fn conditional_and_range_requests_are_answered() {
    let (root, server) = site("conditions");
    let get = GET.replacen('/', "/inside", 1);
    let (_, head) = server.answers(&get, 200);
    let tag = field(&head, "Etag").unwrap();
    let date = field(&head, "Last-Modified").unwrap();
    assert_eq!(field(&head, "Accept-Ranges"), Some("bytes"));
    let (before, after) = (
        "Thu, 01 Jan 1998 00:00:00 GMT",
        "Thu, 01 Jan 2099 00:00:00 GMT",
    );
    for (fields, status, expected) in [
        (format!("If-None-Match: {tag}"), 304, ""),
        (format!("If-None-Match: \"x\", W/{tag}"), 304, ""),
        ("If-None-Match: *".into(), 304, ""),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}"),
            200,
            "abcdefghij",
        ),
        (format!("If-Modified-Since: {date}"), 304, ""),
        (format!("If-Modified-Since: {after}"), 304, ""),
        (format!("If-Modified-Since: {before}"), 200, "abcdefghij"),
        ("If-Modified-Since: yesterday".into(), 200, "abcdefghij"),
        (format!("If-Match: {tag}"), 200, "abcdefghij"),
        (format!("If-Match: W/{tag}"), 412, ""),
        (format!("If-Unmodified-Since: {before}"), 412, ""),
        (format!("If-Unmodified-Since: {date}"), 200, "abcdefghij"),
        ("Range: bytes=2-4".into(), 206, "cde"),
        ("Range: bytes=-3".into(), 206, "hij"),
        ("Range: bytes=8-99".into(), 206, "ij"),
        ("Range: bytes=10-".into(), 416, ""),
        ("Range: bytes=0-0, 2-3".into(), 200, "abcdefghij"),
        ("Range: lines=0-0".into(), 200, "abcdefghij"),
        (format!("Range: bytes=2-4\r\nIf-Range: {tag}"), 206, "cde"),
        (format!("Range: bytes=2-4\r\nIf-Range: {date}"), 206, "cde"),
        (
            format!("Range: bytes=2-4\r\nIf-Range: {before}"),
            200,
            "abcdefghij",
        ),
        (
            "Range: bytes=2-4\r\nIf-Range: \"x\"".into(),
            200,
            "abcdefghij",
        ),
    ] {
        let (mut client, head) = server.answers(with(&get, &format!("{fields}\r\n")), status);
        let part = match expected {
            "cde" => Some("bytes 2-4/10"),
            "hij" => Some("bytes 7-9/10"),
            "ij" => Some("bytes 8-9/10"),
            _ if status == 416 => Some("bytes */10"),
            _ => None,
        };
        assert_eq!(field(&head, "Content-Range"), part, "{fields}");
        assert_eq!(field(&head, "Etag"), Some(tag), "{fields}");
        client.expect(expected);
        // No more bytes follow the body.
        client.send(GET);
        assert_status(&client.head(), 200);
    }
    fs::write(root.join("a b.txt"), "other").unwrap();
    let (mut client, _) = server.answers(with(&get, &format!("If-None-Match: {tag}\r\n")), 200);
    client.expect("other");
}

#[test]
fn a_compressed_sibling_of_a_file_is_served_if_the_client_accepts_it() {
    let (_, server) = site("compressed");
    let get = GET.replacen('/', "/app.js", 1);
    let mut tags = Vec::new();
    for (accepted, encoding, expected) in [
        ("gzip, deflate, br", Some("br"), "in br"),
        ("gzip;q=0.5", Some("gzip"), "gzipped"),
        ("br;q=0, gzip;q=0.0", None, "let a;"),
        ("identity", None, "let a;"),
    ] {
        let accepts = format!("Accept-Encoding: {accepted}\r\n");
        let (mut client, head) = server.answers(with(&get, &accepts), 200);
        assert_eq!(field(&head, "Content-Encoding"), encoding, "{accepted}");
        assert_eq!(field(&head, "Vary"), Some("Accept-Encoding"));
        assert_eq!(
            field(&head, "Content-Type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(body(&mut client, &head), expected);
        tags.push(field(&head, "Etag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
    let (_, head) = server.answers(GET, 200);
    assert_eq!(field(&head, "Vary"), None);
}

#[test]
fn files_are_served_only_for_get_and_head() {
    let (_, server) = site("methods");
    let (mut client, head) = server.answers(GET.replace("GET", "HEAD"), 200);
    assert_eq!(field(&head, "Content-Length"), Some("9"));
    client.send(GET.replace("GET", "POST"));
    let head = client.head();
    assert_status(&head, 405);
    assert_eq!(field(&head, "Allow"), Some("GET, HEAD"));
    server.answers(RFC6455, 404);
}

#[tokio::test]
async fn files_are_served_over_http_2() {
    let (_, server) = site("http2");
    let mut peer = Peer::connect(server.address).await;
    for _ in 0..2 {
        let (answer, body) = peer.ask("GET", "/").await;
        assert_eq!(
            (answer.status().as_u16(), &body[..]),
            (200, &b"the index"[..])
        );
    }
}

#[test]
fn a_gib_is_served_in_bounded_memory() {
    const GIB: u64 = 1 << 30;
    const MIB: usize = 1 << 20;
    let (root, server) = site("large");
    let file = fs::File::create(root.join("large")).unwrap();
    // A sparse file, which takes no room on the disk.
    file.set_len(GIB).unwrap();
    let (before, _) = server.memory();
    let (mut client, head) = server.answers(GET.replacen('/', "/large", 1), 200);
    assert_eq!(field(&head, "Content-Length"), Some("1073741824"));
    for _ in 0..GIB / MIB as u64 {
        client.take(MIB);
    }
    client.send(with(
        &GET.replacen('/', "/large", 1),
        "Range: bytes=1073741820-\r\n",
    ));
    assert_status(&client.head(), 206);
    client.expect([0; 4]);
    let growth = server.memory().1.saturating_sub(before);
    assert!(growth < 8 * MIB, "resident memory grew by {growth} bytes");
}

#[test]
fn a_file_that_shrinks_ends_its_response_early() {
    let (root, server) = site("shorter");
    let file = fs::File::create(root.join("large")).unwrap();
    file.set_len(64 << 20).unwrap();
    let (mut client, _) = server.answers(GET.replacen('/', "/large", 1), 200);
    file.set_len(1 << 20).unwrap();
    let rest = client.rest();
    assert!(rest.len() < 64 << 20, "{}", rest.len());
}

#[test]
fn a_missing_folder_is_reported() {
    for (url, part) in [
        ("file:", "the directory is missing: write file:DIR"),
        (
            "file:/nowhere/at/all",
            "`/nowhere/at/all`: No such file or directory",
        ),
        ("file:/dev/null", "`/dev/null` is not a folder"),
    ] {
        let run = POLYSOCK.run(
            &["serve", url],
            polysock_test_support::program::Input::NOTHING,
        );
        assert_eq!(run.code, Some(2), "{url}");
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}
