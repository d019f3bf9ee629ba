//! Calls that are answered immediately, later, or never, and the order of the output.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use polysock::apps::wamp::{
    Answer, Args, Call, CallId, Json, Limits, Topics, Wamp, WampClient, WampError, WampServer,
};
use tokio::sync::Notify;

use super::{Echo, WampMember, gateway_of, gateway_to, until, ways};

/// An application that keeps calls, and waits on request.
#[derive(Default)]
struct Desk {
    calls: Mutex<VecDeque<Call>>,
    go: Notify,
}

impl Desk {
    fn next(&self) -> Call {
        self.calls.lock().unwrap().pop_front().expect("a call")
    }

    fn len(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Wamp for Desk {
    async fn on_call(
        &self,
        client: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        match procedure {
            "later" => {
                let (answer, call) = call.later();
                assert_eq!(call.client(), client);
                self.calls.lock().unwrap().push_back(call);
                Ok(answer)
            }
            "both" => {
                self.calls.lock().unwrap().push_back(call.later().1);
                Answer::of("at once")
            }
            "given up" => {
                let (answer, _) = call.later();
                Ok(answer)
            }
            "twice" => {
                call.later().1.result(Json::from("first"));
                Err(WampError::new("second"))
            }
            "wait" => {
                self.go.notified().await;
                Answer::of("waited")
            }
            "add" => {
                let (a, b): (i64, i64) = args.read()?;
                Answer::of(&(a + b))
            }
            "echo" => Ok(args.get(0).expect("an argument").into()),
            "details" => Err(WampError::new("with \"details\"")
                .uri("http://example.com/error#é")
                .details(Json::parse("[1.0,{}]")?)),
            "no details" => Err(WampError::new("without").details(Json::parse("null")?)),
            "kill" => Err(WampError::new("the end").closing()),
            _ => Err(WampError::no_procedure(procedure)),
        }
    }
}

#[tokio::test]
async fn calls_are_answered_by_a_result_or_an_error() {
    let generic = "\"http://api.wamp.ws/error#generic\"";
    let internal = "\"http://api.wamp.ws/error#internal\"";
    let gateway = gateway_to(WampServer::new(Desk::default()));
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        for (call, answer) in [
            ("\"add\",1,2", "3,ID,3".to_owned()),
            (
                "\"add\",1",
                format!(
                    "4,ID,{generic},\"the arguments are not valid: invalid length 1, expected a tuple of size 2\""
                ),
            ),
            (
                "\"add\",1,2,3",
                format!(
                    "4,ID,{generic},\"the arguments are not valid: invalid length 3, expected 2 elements in sequence\""
                ),
            ),
            (
                "\"add\",1,\"2\"",
                format!(
                    "4,ID,{generic},\"the arguments are not valid: invalid type: string \\\"2\\\", expected i64 at line 1 column 3\""
                ),
            ),
            (
                "\"nosuch\"",
                format!("4,ID,{generic},\"no procedure nosuch\""),
            ),
            (
                "\"details\"",
                "4,ID,\"http://example.com/error#é\",\"with \\\"details\\\"\",[1.0,{}]".to_owned(),
            ),
            ("\"no details\"", format!("4,ID,{generic},\"without\"")),
            (
                "\"given up\"",
                format!("4,ID,{internal},\"the call was dropped without an answer\""),
            ),
            ("\"twice\"", "3,ID,\"first\"".to_owned()),
        ] {
            member.say(&format!("[2,\"c\",{call}]")).await;
            let answer = answer.replace("ID", "\"c\"");
            member.hears(&format!("[{answer}]")).await;
            member.is_up_to_date().await;
        }
    }
}

#[tokio::test]
async fn an_error_may_precede_the_close() {
    let gateway = gateway_to(WampServer::new(Desk::default()));
    let mut member = WampMember::join(&gateway).await;
    member.say("[2,1,\"kill\"]").await;
    member
        .hears("[4,1,\"http://api.wamp.ws/error#generic\",\"the end\"]")
        .await;
    member.ends_with(3000, "").await;
}

#[tokio::test]
async fn a_call_may_be_answered_later_in_any_order_and_only_once() {
    let desk = Arc::new(Desk::default());
    let gateway = gateway_of(&desk);
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        member.say("[2,\"a\",\"later\"]").await;
        member.say("[2,\"b\",\"later\"]").await;
        member.say("[2,\"c\",\"later\"]").await;
        // Other calls of the same client are answered meanwhile.
        member.is_up_to_date().await;
        let (a, b, c) = (desk.next(), desk.next(), desk.next());
        std::thread::spawn(move || c.result(Json::from("third")))
            .join()
            .unwrap();
        member.hears("[3,\"c\",\"third\"]").await;
        a.error(WampError::new("no"));
        member
            .hears("[4,\"a\",\"http://api.wamp.ws/error#generic\",\"no\"]")
            .await;
        drop(b);
        let given_up =
            "\"http://api.wamp.ws/error#internal\",\"the call was dropped without an answer\"";
        member.hears(&format!("[4,\"b\",{given_up}]")).await;
        // The handler has answered first, and the kept call has no effect any more.
        member.say("[2,\"d\",\"both\"]").await;
        member.hears("[3,\"d\",\"at once\"]").await;
        desk.next().result(Json::from("late"));
        member.is_up_to_date().await;
    }
}

#[tokio::test]
async fn a_late_result_for_a_disconnected_client_is_dropped() {
    let desk = Arc::new(Desk::default());
    let gateway = gateway_of(&desk);
    let mut other = WampMember::join(&gateway).await;
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        member.say("[2,1,\"later\"]").await;
        member.is_up_to_date().await;
        let call = desk.next();
        drop(member);
        until(|| call.client().client().closed().is_some()).await;
        call.result(Json::from("too late"));
    }
    other.is_up_to_date().await;
}

#[tokio::test]
async fn pending_calls_are_limited() {
    let desk = Arc::new(Desk::default());
    let mut limits = Limits::default();
    assert_eq!(limits.calls, 64);
    limits.calls = 2;
    let gateway = gateway_to(WampServer::new(Arc::clone(&desk)).limits(limits));
    let mut member = WampMember::join(&gateway).await;
    // Answered calls do not count, whatever the answer.
    for call in ["twice", "given up", "nosuch", "later", "later"] {
        member.say(&format!("[2,1,\"{call}\"]")).await;
    }
    until(|| desk.len() == 2).await;
    desk.next().result(Json::from("first"));
    for _ in 0..4 {
        member.member.text().await;
    }
    member.say("[2,1,\"later\"]").await;
    until(|| desk.len() == 2).await;
    member.say("[2,1,\"nosuch\"]").await;
    let reason = "more than 2 unanswered calls";
    member.ends_with(1008, reason).await;
}

#[tokio::test]
async fn messages_after_a_call_wait_for_its_handler() {
    let desk = Arc::new(Desk::default());
    let gateway = gateway_of(&desk);
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        let mut other = WampMember::join_in(&gateway, protocol, way).await;
        other.subscribe("t").await;
        for text in [
            "[5,\"t\"]",
            "[2,1,\"wait\"]",
            "[7,\"t\",1]",
            "[2,2,\"add\",1,2]",
        ] {
            member.member.session.send(text.into()).unwrap();
        }
        member.member.flush().await;
        // Other clients are not blocked, and their events reach this client.
        other.is_up_to_date().await;
        other.say("[7,\"t\",0]").await;
        member.hears("[8,\"t\",0]").await;
        other.is_up_to_date().await;
        desk.go.notify_one();
        member.hears("[3,1,\"waited\"]").await;
        member.hears("[3,2,3]").await;
        other.hears("[8,\"t\",1]").await;
    }
}

#[tokio::test]
async fn messages_sent_together_are_handled_in_order() {
    let gateway = gateway_to(WampServer::new(Echo));
    for (protocol, way) in ways() {
        let mut publisher = WampMember::join_in(&gateway, protocol, way).await;
        let mut subscriber = WampMember::join_in(&gateway, protocol, way).await;
        subscriber.subscribe("t").await;
        let mut say = |text: String| publisher.member.session.send(text.as_str().into()).unwrap();
        say("[5,\"t\"]".to_owned());
        for number in 0..200 {
            say(format!("[7,\"t\",{number},[]]"));
            say(format!("[2,{number},\"echo\",{number}]"));
        }
        say("[6,\"t\"]".to_owned());
        say("[7,\"t\",200]".to_owned());
        publisher.member.flush().await;
        for number in 0..200 {
            publisher.hears(&format!("[8,\"t\",{number}]")).await;
            publisher.hears(&format!("[3,{number},{number}]")).await;
            subscriber.hears(&format!("[8,\"t\",{number}]")).await;
        }
        subscriber.hears("[8,\"t\",200]").await;
        publisher.is_up_to_date().await;
    }
}

#[tokio::test]
async fn events_of_several_topics_arrive_in_the_order_of_their_broadcasts() {
    let topics = Topics::new();
    let gateway = gateway_to(WampServer::new(Echo).with_topics(topics.clone()));
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        for topic in ["a", "b", "c"] {
            member.subscribe(topic).await;
        }
        let order = ["b", "a", "c", "c", "a", "b", "b"];
        for (number, topic) in order.into_iter().cycle().take(100).enumerate() {
            topics.get(topic).broadcast(&Json::of(&number).unwrap());
        }
        for (number, topic) in order.into_iter().cycle().take(100).enumerate() {
            member.hears(&format!("[8,\"{topic}\",{number}]")).await;
        }
    }
}
