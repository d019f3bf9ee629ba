//! JSON is passed on exactly as written.

use polysock::apps::wamp::WampServer;

use super::{Echo, TOPIC, WampMember, gateway_to, ways};

/// Values that change if a program parses them into numbers, maps and strings.
const VALUES: &[&str] = &[
    "null",
    "true",
    "1.0",
    "-0",
    "-0.0",
    "1e400",
    "1E+2",
    "0.10000000000000001",
    "12345678901234567890123456789012345678901234567890",
    "9007199254740993",
    "{}",
    "[]",
    "\"\"",
    r#"{"b":1,"a":2,"10":3,"9":4}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"":[{}],"__proto__":null}"#,
    r#""\u0041\/\u00e9\b\f\n\r\t\"\\""#,
    r#""\ud83d\ude00 😀 é \u2028""#,
    r#""\ud800""#,
    r#"{ "a" : [ 1 , 2 ] }"#,
    "[\n\t1,\r\n2 ]",
];

#[tokio::test]
async fn values_are_returned_and_published_as_they_were_written() {
    let gateway = gateway_to(WampServer::new(Echo));
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        let mut subscriber = WampMember::join_in(&gateway, protocol, way).await;
        subscriber.subscribe(TOPIC).await;
        for value in VALUES {
            member.say(&format!("[2,\"1\",\"echo\",{value}]")).await;
            member.hears(&format!("[3,\"1\",{value}]")).await;
            member
                .say(&format!("[2,\"1\",\"args\",{value},{value}]"))
                .await;
            member.hears(&format!("[3,\"1\",[{value},{value}]]")).await;
            member.say(&format!("[7,\"{TOPIC}\",{value}]")).await;
            subscriber.hears(&format!("[8,\"{TOPIC}\",{value}]")).await;
        }
    }
}

#[tokio::test]
async fn ids_of_calls_are_returned_as_they_were_written() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut member = WampMember::join(&gateway).await;
    for id in [
        "\"0.8r3k\"",
        "7",
        "7.0",
        "-1e3",
        "null",
        "true",
        "\"\"",
        "\"\\u0041\\\"\"",
    ] {
        member.say(&format!("[2,{id},\"echo\",1]")).await;
        member.hears(&format!("[3,{id},1]")).await;
        member.say(&format!("[2,{id},\"unknown\"]")).await;
        let error = "\"http://api.wamp.ws/error#generic\",\"no procedure unknown\"";
        member.hears(&format!("[4,{id},{error}]")).await;
    }
}

#[tokio::test]
async fn topics_are_the_same_however_they_are_escaped() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut publisher = WampMember::join(&gateway).await;
    let mut subscriber = WampMember::join(&gateway).await;
    subscriber
        .say(r#"[5,"http:\/\/example.com\/\u0041\"\u00e9"]"#)
        .await;
    subscriber.is_up_to_date().await;
    publisher.say(r#"[7,"http://example.com/A\"é",1]"#).await;
    subscriber.hears(r#"[8,"http://example.com/A\"é",1]"#).await;
}

#[tokio::test]
async fn long_values_pass_whole() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut member = WampMember::join(&gateway).await;
    let value = format!("\"{}\"", "é☃".repeat(100_000));
    let member_says = format!("[2,1,\"echo\",{value}]");
    // More than the transport holds: both directions must proceed concurrently.
    let WampMember { member: inner, .. } = &mut member;
    inner.send(member_says.as_str()).await;
    member.hears(&format!("[3,1,{value}]")).await;
}
