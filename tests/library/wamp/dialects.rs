//! The receivers of an event, and the form of calls, in both dialects.

use polysock::apps::wamp::{Dialect, WampServer};
use polysock_test_support::member::Way;

use super::{Echo, IN_MEMORY, TOPIC, WampMember, gateway_to};

/// Exclude and eligible lists over the two clients. Client `a` is the publisher.
const LISTS: [Option<&str>; 5] = [None, Some(""), Some("a"), Some("b"), Some("ab")];

/// Returns the elements after an event, and its receivers in this dialect.
fn row(
    dialect: Dialect,
    is_publisher_out: Option<bool>,
    exclude: Option<&'static str>,
    eligible: Option<&'static str>,
) -> (String, String) {
    let list = |letters: &str| {
        let ids: Vec<String> = letters.chars().map(|c| format!("\"{c}\"")).collect();
        format!("[{}]", ids.join(","))
    };
    let third = match (exclude, is_publisher_out) {
        (Some(letters), _) => list(letters),
        (None, Some(is_out)) => is_out.to_string(),
        (None, None) => "null".to_owned(),
    };
    let elements = match (eligible, &*third) {
        (Some(letters), _) => format!(",{third},{}", list(letters)),
        // Both elements are left out.
        (None, "null") => String::new(),
        (None, _) => format!(",{third}"),
    };
    let is_ratchet = dialect == Dialect::Ratchet;
    let gets = |who: char| {
        let is_excluded = match exclude {
            Some(letters) => letters.contains(who),
            None => who == 'a' && is_publisher_out.unwrap_or(!is_ratchet),
        };
        let is_eligible = match eligible {
            None => true,
            Some("") => is_ratchet,
            Some(letters) => letters.contains(who),
        };
        !is_excluded && is_eligible
    };
    (
        elements,
        ['a', 'b'].into_iter().filter(|who| gets(*who)).collect(),
    )
}

/// The publisher and another subscriber.
struct Pair {
    a: WampMember,
    b: WampMember,
}

impl Pair {
    async fn subscribed(dialect: Dialect, protocols: [&str; 2], way: Way) -> Self {
        let gateway = gateway_to(WampServer::new(Echo).dialect(dialect));
        let mut a = WampMember::join_in(&gateway, protocols[0], way).await;
        let mut b = WampMember::join_in(&gateway, protocols[1], way).await;
        assert_ne!(a.session, b.session);
        a.subscribe(TOPIC).await;
        b.subscribe(TOPIC).await;
        Self { a, b }
    }

    /// Publishes with these elements after the event. Asserts that exactly these receivers get it.
    async fn publishes(&mut self, elements: &str, receivers: &str) {
        let elements = elements.replace("\"a\"", &format!("\"{}\"", self.a.session));
        let elements = elements.replace("\"b\"", &format!("\"{}\"", self.b.session));
        let text = format!("[7,\"{TOPIC}\",{{\"x\":[1,\"☃\"]}}{elements}]");
        self.a.say(&text).await;
        let event = format!("[8,\"{TOPIC}\",{{\"x\":[1,\"☃\"]}}]");
        for (who, member) in [('a', &mut self.a), ('b', &mut self.b)] {
            if receivers.contains(who) {
                member.hears(&event).await;
            }
            member.is_up_to_date().await;
        }
    }
}

#[tokio::test]
async fn an_event_reaches_its_receivers_in_each_of_75_forms() {
    for (protocols, way) in [
        (["rfc6455", "hixie-76"], IN_MEMORY),
        (["hixie-75", "hybi-10"], Way::Tcp),
    ] {
        for dialect in [Dialect::Autobahn, Dialect::Ratchet] {
            let mut pair = Pair::subscribed(dialect, protocols, way).await;
            let mut rows = 0;
            for is_publisher_out in [None, Some(true), Some(false)] {
                for exclude in LISTS {
                    for eligible in LISTS {
                        let (elements, receivers) =
                            row(dialect, is_publisher_out, exclude, eligible);
                        pair.publishes(&elements, &receivers).await;
                        rows += 1;
                    }
                }
            }
            assert_eq!(rows, 75);
        }
    }
}

#[tokio::test]
async fn an_element_that_is_no_list_and_an_unknown_session_are_ignored() {
    for (elements, autobahn, ratchet) in [
        // As in the two old servers: an element that is not a list is ignored.
        (",null", "b", "ab"),
        (",\"text\"", "b", "ab"),
        (",7", "b", "ab"),
        (",{}", "b", "ab"),
        (",null,\"text\"", "b", "ab"),
        (",[],null", "ab", "ab"),
        (",[],7", "ab", "ab"),
        (",[],{\"a\":1}", "ab", "ab"),
        // More elements than the message has.
        (",[],[\"a\"],1,2,3", "a", "a"),
        // Ids that are not sessions.
        (",[\"nobody\"]", "ab", "ab"),
        (",[0,null,[],{},true,\"0e123\"]", "ab", "ab"),
        (",[\"0123456789abcdef\"]", "ab", "ab"),
        (",[],[\"nobody\"]", "", ""),
        (",[],[0]", "", ""),
        (",[],[\"nobody\",\"b\"]", "b", "b"),
        // Duplicates, and blanks and escapes.
        (",[\"b\",\"b\"]", "a", "a"),
        (" , [ \"b\" , \"b\" ] , [ \"a\" ] ", "a", "a"),
    ] {
        for (dialect, receivers) in [(Dialect::Autobahn, autobahn), (Dialect::Ratchet, ratchet)] {
            let mut pair = Pair::subscribed(dialect, ["rfc6455"; 2], IN_MEMORY).await;
            pair.publishes(elements, receivers).await;
        }
    }
}

#[tokio::test]
async fn a_session_id_may_contain_escapes() {
    let mut pair = Pair::subscribed(Dialect::Autobahn, ["rfc6455"; 2], IN_MEMORY).await;
    let first = pair.b.session.as_bytes()[0];
    let escaped = format!(",[\"\\u00{first:02x}{}\"]", &pair.b.session[1..]);
    pair.publishes(&escaped, "a").await;
}

#[tokio::test]
async fn a_client_may_publish_without_a_subscription_and_gets_no_event() {
    for dialect in [Dialect::Autobahn, Dialect::Ratchet] {
        let gateway = gateway_to(WampServer::new(Echo).dialect(dialect));
        let mut publisher = WampMember::join(&gateway).await;
        let mut subscriber = WampMember::join(&gateway).await;
        subscriber.subscribe(TOPIC).await;
        publisher
            .say(&format!(
                "[7,\"{TOPIC}\",1,[],[\"{}\",\"{}\"]]",
                publisher.session, subscriber.session
            ))
            .await;
        subscriber.hears(&format!("[8,\"{TOPIC}\",1]")).await;
        publisher.is_up_to_date().await;
    }
}

#[tokio::test]
async fn a_sole_list_argument_is_unwrapped_only_for_ported_applications() {
    for (args, is_list) in [
        (r"[1,2]", "[1,2]"),
        (r"[]", "[]"),
        (r#"["u"]"#, r#"["u"]"#),
        (r"[[1,[2]]]", r"[[1,[2]]]"),
    ] {
        for is_ported in [false, true] {
            for dialect in [Dialect::Autobahn, Dialect::Ratchet] {
                let server = WampServer::new(Echo).dialect(dialect);
                let gateway = gateway_to(server.ported_from_ratchet(is_ported));
                let mut member = WampMember::join(&gateway).await;
                member.say(&format!("[2,\"1\",\"args\",{args}]")).await;
                match is_ported {
                    true => member.hears(&format!("[3,\"1\",{is_list}]")).await,
                    false => member.hears(&format!("[3,\"1\",[{is_list}]]")).await,
                }
            }
        }
    }
    let gateway = gateway_to(WampServer::new(Echo).ported_from_ratchet(true));
    let mut member = WampMember::join(&gateway).await;
    for (args, come) in [
        ("", "[]"),
        (",1", "[1]"),
        (",[1],[2]", "[[1],[2]]"),
        (r#",{"a":1}"#, r#"[{"a":1}]"#),
        (r#","[1]""#, r#"["[1]"]"#),
    ] {
        member.say(&format!("[2,\"1\",\"args\"{args}]")).await;
        member.hears(&format!("[3,\"1\",{come}]")).await;
    }
}

#[tokio::test]
async fn a_prefix_that_ends_in_a_hash_gets_no_second_hash() {
    for (is_ported, uri, expected) in [
        (
            false,
            "http://example.com/calc#",
            "http://example.com/calc#add",
        ),
        (
            true,
            "http://example.com/calc#",
            "http://example.com/calc#add",
        ),
        (
            true,
            "http://example.com/calc",
            "http://example.com/calc#add",
        ),
        (
            true,
            "http://example.com/calc##",
            "http://example.com/calc##add",
        ),
    ] {
        for dialect in [Dialect::Autobahn, Dialect::Ratchet] {
            let server = WampServer::new(Echo).dialect(dialect);
            let gateway = gateway_to(server.ported_from_ratchet(is_ported));
            let mut member = WampMember::join(&gateway).await;
            member.say(&format!("[1,\"calc\",\"{uri}\"]")).await;
            member.say("[2,\"1\",\"calc:add\"]").await;
            member.hears(&format!("[3,\"1\",\"{expected}\"]")).await;
        }
    }
}

#[tokio::test]
async fn topics_may_be_shortened_and_their_events_have_the_whole_uri() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut short = WampMember::join(&gateway).await;
    let mut long = WampMember::join(&gateway).await;
    short.say(r#"[1,"s","http://example.com/"]"#).await;
    short.subscribe("s:simple").await;
    long.subscribe(TOPIC).await;
    short.say("[7,\"s:simple\",1]").await;
    long.hears(&format!("[8,\"{TOPIC}\",1]")).await;
    long.say(&format!("[7,\"{TOPIC}\",2]")).await;
    short.hears(&format!("[8,\"{TOPIC}\",2]")).await;
    // Each client has prefixes of its own.
    long.say("[7,\"s:simple\",3]").await;
    long.is_up_to_date().await;
    short.is_up_to_date().await;
    short.say("[6,\"s:simple\"]").await;
    short.is_up_to_date().await;
    long.say(&format!("[7,\"{TOPIC}\",4]")).await;
    long.is_up_to_date().await;
    short.is_up_to_date().await;
}
