//! Explanations: every refusal of the corpus names its rule, the source of the rule, and a remedy.

use polysock::protocols::PROTOCOLS;
use polysock_instrument::{Explanation, Input, Look, Says, ServerSettings};
use polysock_test_support::corpus::texts;

const HIXIE_76: &str =
    "(draft-hixie-thewebsocketprotocol-76, \"Reading the client's opening handshake\")";
const BODY: (&str, &str) = (
    "400: an opening handshake has no body (RFC 9112 §11.2)",
    "send no Transfer-Encoding, and no Content-Length",
);
const HOST: (&str, &str) = (
    "400: exactly one valid Host field is needed (RFC 6455 §4.2.1, item 2)",
    "send one Host field",
);
const HTTP: (&str, &str) = (
    "400: an opening handshake needs HTTP/1.1 (RFC 6455 §4.2.1, item 1)",
    "must speak HTTP/1.1",
);
const CONNECTION: (&str, &str) = (
    "400: the Connection field does not list `upgrade` (RFC 6455 §4.2.1, item 4)",
    "a proxy in between may have removed them",
);
const UPGRADE: (&str, &str) = (
    "400: the Upgrade field does not list `websocket` (RFC 6455 §4.2.1, item 3)",
    "send Upgrade: websocket",
);
const KEY: (&str, &str) = (
    "400: missing or malformed Sec-WebSocket-Key (RFC 6455 §4.2.1, item 5)",
    "the base64 of 16 random bytes",
);
const SUBPROTOCOL: (&str, &str) = (
    "400: malformed Sec-WebSocket-Protocol (RFC 6455 §11.3.4, in the drafts \"Sec-WebSocket-Protocol\")",
    "name subprotocols by tokens",
);
const UNEVEN: (&str, &str) = (
    "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: a key number that its spaces do not divide",
    "no proxy may touch their spaces",
);
const HEAD: &str = "must write the head as HTTP/1.1 requires";

/// Each refusal of the corpus, with its explanation and its remedy.
const REFUSALS: &[(&str, (&str, &str))] = &[
    ("hixie-75/bad-content-length", BODY),
    ("hixie-75/bad-empty-protocol", SUBPROTOCOL),
    (
        "hixie-75/bad-folded-host",
        (
            "400: malformed head: a folded field line (RFC 9112 §5.2)",
            HEAD,
        ),
    ),
    ("hixie-75/bad-host-port-hex", HOST),
    ("hixie-75/bad-illegal-protocol", SUBPROTOCOL),
    (
        "hixie-75/bad-leftover-bytes",
        (
            "400: bytes after the head before it was answered (draft-hixie-thewebsocketprotocol-75, \
             \"Reading the client's opening handshake\")",
            "whose keys a proxy removed",
        ),
    ),
    ("hixie-75/bad-missing-upgrade", UPGRADE),
    (
        "hixie-75/bad-requestline-two-spaces",
        (
            "400: malformed head: the first line is not HTTP/1.x (RFC 9112 §3)",
            HEAD,
        ),
    ),
    ("hixie-75/bad-wrong-upgrade", UPGRADE),
    ("hixie-76/bad-cross-protocol-86-753-09", UNEVEN),
    ("hixie-76/bad-driver-key1", UNEVEN),
    (
        "hixie-76/bad-empty-key",
        (
            "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: a key without digits",
            "send both keys as draft 76 makes them",
        ),
    ),
    (
        "hixie-76/bad-glued-request-line",
        (
            "400: malformed head: the first line is not HTTP/1.x (RFC 9112 §3)",
            HEAD,
        ),
    ),
    ("hixie-76/bad-http10", HTTP),
    ("hixie-76/bad-key1-lost-space", UNEVEN),
    ("hixie-76/bad-key2-plus-one", UNEVEN),
    (
        "hixie-76/bad-missing-key1",
        (
            "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: one key is missing",
            "send both keys as draft 76 makes them",
        ),
    ),
    ("hixie-76/bad-misultin-tabs", UNEVEN),
    ("hixie-76/bad-transfer-encoding", BODY),
    ("hybi-04/bad-short-key", KEY),
    ("hybi-07/bad-http10", HTTP),
    ("hybi-10/bad-hixie-keys", KEY),
    ("hybi-10/bad-http10", HTTP),
    ("hybi-10/bad-key-not-base64", HOST),
    ("rfc6455/bad-body-content-length", BODY),
    ("rfc6455/bad-cl-and-te", BODY),
    (
        "rfc6455/bad-ext-syntax",
        (
            "400: malformed Sec-WebSocket-Extensions (RFC 6455 §9.1)",
            "offer extensions as `name; parameter=value, name`",
        ),
    ),
    ("rfc6455/bad-http10", HTTP),
    ("rfc6455/bad-http10-and-key", HTTP),
    ("rfc6455/bad-key-empty", KEY),
    ("rfc6455/bad-key-garbage", KEY),
    ("rfc6455/bad-no-connection", CONNECTION),
    ("rfc6455/bad-no-host", HOST),
    ("rfc6455/bad-no-upgrade", UPGRADE),
    (
        "rfc6455/bad-post",
        (
            "405: the method of an opening handshake is GET (RFC 6455 §4.2.1, item 1)",
            "send GET",
        ),
    ),
    ("rfc6455/bad-proxy-stripped", CONNECTION),
    (
        "rfc6455/bad-smuggled-header",
        (
            "400: malformed head: a control character in the value of a field (RFC 9110 §5.5)",
            HEAD,
        ),
    ),
    (
        "rfc6455/bad-space-before-colon",
        (
            "400: malformed head: white space before the colon of a field (RFC 9112 §5.1)",
            HEAD,
        ),
    ),
    ("rfc6455/bad-two-hosts", HOST),
    (
        "none/version-12",
        (
            "426: unsupported Sec-WebSocket-Version (RFC 6455 §4.2.2, item 4)",
            "one Sec-WebSocket-Version of those in the answer",
        ),
    ),
];

/// The settings of a server with all protocols.
fn everything() -> ServerSettings {
    let mut settings = ServerSettings::default();
    settings.port.protocols = PROTOCOLS.to_vec();
    settings.port.flash_policy = true;
    settings
}

fn explain(text: &str, settings: &ServerSettings) -> Explanation {
    let inputs = Input::read("fixture", text.as_bytes()).unwrap();
    Explanation::of(&inputs[0].client, settings)
}

fn is_refusal(text: &str) -> bool {
    text.lines().any(|line| {
        let rest = line.strip_prefix("! ");
        rest.is_some_and(|rest| rest.starts_with(['4', '5']))
    })
}

#[test]
fn every_refusal_of_the_corpus_names_its_rule_and_its_fix() {
    let corpus = texts();
    let refusals: Vec<_> = corpus.iter().filter(|(_, text)| is_refusal(text)).collect();
    let names: Vec<&str> = refusals.iter().map(|(name, _)| name.as_str()).collect();
    let mut rows = REFUSALS.to_vec();
    rows.sort_unstable();
    let listed: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed);
    for ((name, text), (_, (rule, mend))) in refusals.iter().zip(rows) {
        let explained = explain(text, &everything()).to_string();
        let lines: Vec<&str> = explained.lines().collect();
        assert!(
            lines[1].starts_with(&format!("  refused with {rule}")),
            "{name}: {}",
            lines[1]
        );
        assert!(
            lines[1].contains('('),
            "{name} names no section: {}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("  to fix it: ") && lines[2].contains(mend),
            "{name}: {}",
            lines[2]
        );
        if name.starts_with("hixie-76/") && lines[1].contains("Key1") {
            assert!(lines[1].ends_with(HIXIE_76), "{name}: {}", lines[1]);
        }
    }
}

#[test]
fn accepted_handshakes_of_the_corpus_are_explained_as_accepted() {
    let settings = everything();
    let mut count = 0;
    for (name, text) in texts() {
        let of = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key));
            value.map(str::trim)
        };
        if is_refusal(&text) || of("# needs:") == Some("tls") || of("# role:") == Some("client") {
            continue;
        }
        let explained = explain(&text, &settings);
        if of("# protocol:") == Some("none") {
            assert!(!explained.is_accepted(), "{name}: {explained}");
            continue;
        }
        assert!(explained.is_accepted(), "{name}: {explained}");
        // Some clients of hixie-76 send the same request as draft 2.
        let says = |look: &&Look| Some(look.protocol) == of("# protocol:");
        if let Some(look) = explained.protocols.iter().find(says) {
            let takes = matches!(look.says, Says::Yes | Says::Fallback);
            assert!(takes, "{name}: {explained}");
        }
        assert!(
            !explained.answer.is_empty() && explained.remedy.is_none(),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 50, "{count}");
}
