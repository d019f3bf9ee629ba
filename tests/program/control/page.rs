//! The status page.

use polysock_test_support::opening::{RFC6455, with};

use super::{TOKEN, on_tcp, on_unix};

#[test]
fn the_page_escapes_text_from_clients() {
    let controlled = on_unix("control-page", &["--app", "echo"]);
    let long = "a".repeat(8000);
    let agents: [&[u8]; 4] = [
        b"<script>alert(1)</script>",
        long.as_bytes(),
        b"\xff\xfe not UTF-8 \x80",
        "evil \u{202e}txt.exe".as_bytes(),
    ];
    let mut clients = Vec::new();
    for agent in agents {
        let head = with(RFC6455, "User-Agent: AGENT\r\n");
        let (before, after) = head.split_once("AGENT").unwrap();
        let request = [before.as_bytes(), agent, after.as_bytes()].concat();
        clients.push(controlled.server.answers(request, 101));
        let wrong = RFC6455.replace(
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 99\r\nUser-Agent: AGENT",
        );
        let (before, after) = wrong.split_once("AGENT").unwrap();
        let request = [before.as_bytes(), agent, after.as_bytes()].concat();
        controlled.server.answers(request, 426);
    }
    controlled.has(4);
    let (status, head, page) = controlled.ask_with("GET", "/status", &[], "");
    assert_eq!(status, 200, "{page}");
    let head = head.to_ascii_lowercase();
    for field in [
        "content-security-policy: default-src 'none'",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("&#60;script&#62;alert"), "{page}");
    assert!(
        !page.contains('\u{202e}') && page.contains("\\u{202e}"),
        "{page}"
    );
    assert!(!page.contains(&"a".repeat(300)));
    assert!(page.len() < 60 * 1024, "{}", page.len());
    // The page reloads itself only on request.
    let refresh = "<meta http-equiv=\"refresh\"";
    assert!(!page.contains(refresh) && page.contains("href=\"/status?reload\""));
    let (_, reloading) = controlled.get("/status?reload");
    assert!(reloading.contains(refresh), "{reloading}");
    let list = controlled.json("/connections");
    for connection in list["connections"].as_array().unwrap() {
        let id = connection["id"].as_str().unwrap();
        let (status, page) = controlled.get(&format!("/status/connections/{id}"));
        assert_eq!(status, 200);
        assert!(
            page.contains(id) && !page.contains("<script>alert"),
            "{page}"
        );
    }
}

#[test]
fn a_form_takes_effect_only_with_the_key_of_the_page() {
    let controlled = on_tcp("control-form", true, &["--app", "echo"]);
    let (_, page) = controlled.get("/status");
    let (_, rest) = page.split_once("name=\"form_key\" value=\"").unwrap();
    let (key, _) = rest.split_once('"').unwrap();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (body, expected) in [
        (String::new(), 403),
        (format!("form_key={key}"), 401),
        (format!("form_key={key}&token=no"), 401),
        (format!("form_key=0&token={TOKEN}"), 403),
        (format!("form_key={key}&token={TOKEN}&per_second=10"), 303),
    ] {
        let (status, _, answer) = controlled.ask_with("POST", "/drain", &[form], &body);
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let (_, page) = controlled.get("/status");
    assert!(page.contains("<strong>draining</strong>"), "{page}");
}
