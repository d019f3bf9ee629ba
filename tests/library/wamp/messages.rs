//! Invalid messages, and messages beyond the limits.

use polysock::apps::wamp::{ClientMessage, Dialect, Limits, MessageError, WampServer};

use super::{Echo, IN_MEMORY, WampMember, gateway_to, ways};

const SHORT_TYPE: &str = "the first element is not a message type: 1, 2, 5, 6 or 7";

/// Invalid messages, and the reason in the close that their client receives.
const NONSENSE: &[(&str, &str)] = &[
    (
        "",
        "the message is not JSON: EOF while parsing a value at line 1 column 0",
    ),
    (
        "hello",
        "the message is not JSON: expected value at line 1 column 1",
    ),
    (
        "[5,\"t\"",
        "the message is not JSON: EOF while parsing a list at line 1 column 6",
    ),
    (
        "[5,\"t\"]]",
        "the message is not JSON: trailing characters at line 1 column 8",
    ),
    (
        "[5,\"t\"] [5,\"t\"]",
        "the message is not JSON: trailing characters at line 1 column 9",
    ),
    (
        "[5,'t']",
        "the message is not JSON: expected value at line 1 column 4",
    ),
    (
        "[5,\"t\",]",
        "the message is not JSON: trailing comma at line 1 column 8",
    ),
    (
        "[05,\"t\"]",
        "the message is not JSON: invalid number at line 1 column 3",
    ),
    ("{}", "the message is not a list"),
    ("{\"a\":[5,\"t\"]}", "the message is not a list"),
    ("\"[5]\"", "the message is not a list"),
    ("5", "the message is not a list"),
    ("null", "the message is not a list"),
    ("[]", SHORT_TYPE),
    ("[[5,\"t\"]]", SHORT_TYPE),
    ("[\"5\",\"t\"]", SHORT_TYPE),
    ("[5.0,\"t\"]", SHORT_TYPE),
    ("[5e0,\"t\"]", SHORT_TYPE),
    ("[-5,\"t\"]", SHORT_TYPE),
    ("[9,\"t\"]", SHORT_TYPE),
    ("[null,\"t\"]", SHORT_TYPE),
    ("[18446744073709551621,\"t\"]", SHORT_TYPE),
    ("[0,\"x\",1,\"x\"]", "only servers send WELCOME"),
    ("[3,\"1\",1]", "only servers send CALLRESULT"),
    ("[4,\"1\",\"u\",\"d\"]", "only servers send CALLERROR"),
    ("[8,\"t\",1]", "only servers send EVENT"),
    (
        "[1]",
        "PREFIX needs at least 3 elements, and this one has 1",
    ),
    (
        "[1,\"p\"]",
        "PREFIX needs at least 3 elements, and this one has 2",
    ),
    ("[2]", "CALL needs at least 3 elements, and this one has 1"),
    (
        "[2,\"x\"]",
        "CALL needs at least 3 elements, and this one has 2",
    ),
    (
        "[5]",
        "SUBSCRIBE needs at least 2 elements, and this one has 1",
    ),
    (
        "[6]",
        "UNSUBSCRIBE needs at least 2 elements, and this one has 1",
    ),
    (
        "[7]",
        "PUBLISH needs at least 3 elements, and this one has 1",
    ),
    (
        "[7,\"t\"]",
        "PUBLISH needs at least 3 elements, and this one has 2",
    ),
    ("[1,1,\"u\"]", "the prefix of PREFIX is not a string"),
    ("[1,\"p\",null]", "the URI of PREFIX is not a string"),
    ("[2,[],\"u\"]", "the id of CALL is not a string or number"),
    (
        "[2,{\"a\":1},\"u\"]",
        "the id of CALL is not a string or number",
    ),
    (
        "[2,\"id\",[\"u\"]]",
        "the procedure of CALL is not a string",
    ),
    ("[2,\"id\",7]", "the procedure of CALL is not a string"),
    ("[5,{}]", "the topic of SUBSCRIBE is not a string"),
    ("[5,\"\\ud800\"]", "the topic of SUBSCRIBE is not a string"),
    ("[6,null]", "the topic of UNSUBSCRIBE is not a string"),
    ("[7,null,1]", "the topic of PUBLISH is not a string"),
    (
        "[7,[\"t\"],1,[],[]]",
        "the topic of PUBLISH is not a string",
    ),
];

#[tokio::test]
async fn a_malformed_message_is_answered_with_1007_and_the_reason() {
    for dialect in [Dialect::Autobahn, Dialect::Ratchet] {
        let gateway = gateway_to(WampServer::new(Echo).dialect(dialect));
        for (text, reason) in NONSENSE {
            let mut member = WampMember::join(&gateway).await;
            member.say(text).await;
            member.ends_with(1007, reason).await;
        }
    }
}

#[tokio::test]
async fn a_binary_message_is_answered_with_1003() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut member = WampMember::join(&gateway).await;
    let bytes = polysock::Message::binary(&b"[5,\"t\"]"[..]);
    member.member.send(bytes).await;
    let reason = "the message is binary: WAMP messages are text";
    member.ends_with(1003, reason).await;
}

#[tokio::test]
async fn elements_beyond_those_of_a_message_are_passed_over() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut member = WampMember::join(&gateway).await;
    for text in [
        "[1,\"p\",\"http://example.com/\",1,{}]",
        "[5,\"t\",true,[]]",
        "[7,\"t\",1,[],[],[],[]]",
        "[6,\"t\",null]",
        "[6,\"never subscribed\"]",
        " \t\r\n[ 5 , \"t\" ] \n",
    ] {
        member.say(text).await;
        member.is_up_to_date().await;
    }
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.prefixes = 2;
    limits.prefix_name = 4;
    limits.uri = 20;
    limits.subscriptions = 2;
    limits.call_id = 6;
    limits.arguments = 2;
    limits.ids = 2;
    limits.depth = 3;
    limits
}

#[tokio::test]
async fn a_message_over_a_limit_is_answered_with_the_limit() {
    let server = || WampServer::new(Echo).limits(small());
    // Messages within the limits, a message beyond them, and the reason.
    for (within, beyond, reason) in [
        (
            &["[1,\"a\",\"u\"]", "[1,\"b\",\"u\"]", "[1,\"a\",\"v\"]"][..],
            "[1,\"c\",\"u\"]",
            "more than 2 prefixes",
        ),
        (
            &["[1,\"abcd\",\"u\"]"],
            "[1,\"abcde\",\"u\"]",
            "a prefix of 5 bytes is over the limit of 4",
        ),
        (
            &[
                "[1,\"a\",\"12345678901234567890\"]",
                "[5,\"12345678901234567890\"]",
            ],
            "[5,\"123456789012345678901\"]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &["[1,\"a\",\"1234567890\"]", "[5,\"a:1234567890\"]"],
            "[5,\"a:12345678901\"]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &[],
            "[1,\"a\",\"123456789012345678901\"]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &[],
            "[2,1,\"123456789012345678901\"]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &[],
            "[7,\"123456789012345678901\",1]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &[],
            "[6,\"123456789012345678901\"]",
            "a URI of 21 bytes is over the limit of 20",
        ),
        (
            &[
                "[5,\"a\"]",
                "[5,\"b\"]",
                "[5,\"a\"]",
                "[6,\"a\"]",
                "[5,\"c\"]",
            ],
            "[5,\"d\"]",
            "more than 2 subscriptions",
        ),
        (
            &[],
            "[2,1234567,\"echo\",1]",
            "a call's id of 7 bytes is over the limit of 6",
        ),
        (&[], "[2,\"1\",\"echo\",1,2,3]", "more than 2 arguments"),
        (
            &["[7,\"t\",1,[1,2],[1,2]]"],
            "[7,\"t\",1,[1,2,3]]",
            "more than 2 sessions in a list",
        ),
        (
            &[],
            "[7,\"t\",1,[],[\"a\",\"b\",\"c\"]]",
            "more than 2 sessions in a list",
        ),
        (
            &[
                "[7,\"t\",[[]]]",
                "[7,\"t\",{\"a\":{}}]",
                "[7,\"t\",[\"[[[\",\"\\\"[[[\"]]",
            ],
            "[7,\"t\",[[[]]]]",
            "more than 3 nested lists and objects",
        ),
        (
            &[],
            "[7,\"t\",{\"a\":[{}]}]",
            "more than 3 nested lists and objects",
        ),
        // Also in elements that the server does not read.
        (
            &[],
            "[5,\"t\",[[[]]]]",
            "more than 3 nested lists and objects",
        ),
    ] {
        let gateway = gateway_to(server());
        let mut member = WampMember::join(&gateway).await;
        for text in within {
            member.say(text).await;
            member.is_up_to_date().await;
        }
        member.say(beyond).await;
        member.ends_with(1008, reason).await;
    }
    let gateway = gateway_to(server().ported_from_ratchet(true));
    let mut member = WampMember::join(&gateway).await;
    member.say("[2,\"1\",\"args\",[1,2]]").await;
    member.hears("[3,\"1\",[1,2]]").await;
    member.say("[2,\"1\",\"args\",[1,2,3]]").await;
    member.ends_with(1008, "more than 2 arguments").await;
}

#[test]
fn the_default_limits_are_as_documented() {
    let limits = Limits::default();
    let nested = |depth: usize| {
        format!(
            "[7,\"t\",{}{}]",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert!(ClientMessage::read(&nested(128), &limits).is_ok());
    let list = |count: usize| vec!["\"0123456789abcdef\""; count].join(",");
    let ids = |count| format!("[7,\"t\",1,[{}]]", list(count));
    assert!(ClientMessage::read(&ids(1024), &limits).is_ok());
    let args = |count| format!("[2,\"id\",\"u\",{}]", list(count));
    assert!(ClientMessage::read(&args(1024), &limits).is_ok());
    let uri = |len| format!("[5,\"{}\"]", "u".repeat(len));
    assert!(ClientMessage::read(&uri(2048), &limits).is_ok());
    let id = |len: usize| format!("[2,\"{}\",\"u\"]", "i".repeat(len - 2));
    assert!(ClientMessage::read(&id(64), &limits).is_ok());
    let prefix = |len| format!("[1,\"{}\",\"u\"]", "p".repeat(len));
    assert!(ClientMessage::read(&prefix(256), &limits).is_ok());
    for text in [
        nested(129),
        ids(1025),
        args(1025),
        uri(2049),
        id(65),
        prefix(257),
    ] {
        let error = ClientMessage::read(&text, &limits).unwrap_err();
        assert_eq!(error.close_code().get(), 1008, "{error}");
    }
    // The parser does not recurse into them.
    let error = ClientMessage::read(&nested(1_000_000), &limits).unwrap_err();
    assert!(matches!(error, MessageError::TooMany { max: 128, .. }));
}

#[tokio::test]
async fn a_fatal_message_ends_only_its_own_connection_in_any_protocol() {
    // Messages that have crashed server processes.
    let fatal = [
        "[2]",
        "[2,\"x\"]",
        "[5]",
        "[7]",
        "[5,{}]",
        "[2,\"id\",[\"u\"]]",
        "[2,\"id\",\"panic\"]",
        "[7,null,1]",
    ];
    let gateway = gateway_to(WampServer::new(Echo).dialect(Dialect::Ratchet));
    let mut other = WampMember::join(&gateway).await;
    for (protocol, way) in ways() {
        for text in fatal {
            let mut member = WampMember::join_in(&gateway, protocol, way).await;
            member.say(text).await;
            assert_eq!(member.member.message().await, None, "{protocol} {text}");
        }
        // Messages that have crashed them too, and that are valid here.
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        for text in [
            "[7,\"t\",1,[],null]",
            "[7,\"t\",1,[],\"x\"]",
            "[7,\"t\",1,\"x\"]",
        ] {
            member.say(text).await;
            member.is_up_to_date().await;
        }
        other.is_up_to_date().await;
    }
}

#[tokio::test]
async fn an_old_protocol_is_closed_without_a_code() {
    for (protocol, code) in [
        ("rfc6455", Some(1007)),
        ("hixie-76", None),
        ("hixie-75", None),
    ] {
        let gateway = gateway_to(WampServer::new(Echo));
        let mut member = WampMember::join_in(&gateway, protocol, IN_MEMORY).await;
        member.say("[5]").await;
        assert_eq!(member.member.message().await, None, "{protocol}");
        let close = member.member.closed().close.as_ref();
        assert_eq!(close.map(|close| close.code.get()), code, "{protocol}");
    }
}
