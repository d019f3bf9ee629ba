//! The formats of log lines.

use clap::ValueEnum;
use tracing::Event;

use super::common::push_common;
use super::ecs::push_ecs;
use super::json::push_json;
use super::kind::Kind;
use super::text::push_text;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    Text,
    /// A JSON object on each line
    Json,
    /// JSON with the field names of the Elastic Common Schema, version 8
    Ecs,
    /// The combined log format of Apache and nginx for connections and requests, and text for
    /// everything else
    Clf,
}

impl Format {
    /// Writes an event of this kind, without a line end. Returns false if the format has no line
    /// for it.
    pub(super) fn push(
        self,
        line: &mut String,
        event: &Event<'_>,
        kind: Option<Kind>,
        is_styled: bool,
    ) -> bool {
        match (self, kind) {
            (Self::Text, _) | (Self::Clf, None) => push_text(line, event, is_styled),
            (Self::Json, _) => push_json(line, event),
            (Self::Ecs, _) => push_ecs(line, event, kind),
            (Self::Clf, Some(kind)) => return push_common(line, event, kind),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::Value;
    use tracing::{Subscriber, info, warn};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    /// A layer that collects the lines of events in a format.
    struct Written {
        format: Format,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut line = String::new();
            if self.format.push(&mut line, event, Kind::of(event), false) {
                self.lines.lock().unwrap().push(line);
            }
        }
    }

    /// Serialises the tests: callsite interest is cached for all threads together.
    static WRITING: Mutex<()> = Mutex::new(());

    /// The lines of events, without their times.
    fn written(format: Format, events: fn()) -> Vec<String> {
        let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = Arc::default();
        let layer = Written {
            format,
            lines: Arc::clone(&lines),
        };
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, events);
        let lines = lines.lock().unwrap();
        let timeless = lines.iter().map(|line| {
            let is_common = line.contains(" - - [");
            match is_common {
                true => {
                    let (before, rest) = line.split_once('[').unwrap();
                    format!("{before}[]{}", rest.split_once(']').unwrap().1)
                }
                false if line.starts_with('{') => {
                    let (_, rest) = line.split_once(',').unwrap();
                    format!("{{{rest}")
                }
                false => line.split_once(' ').unwrap().1.to_owned(),
            }
        });
        timeless.collect()
    }

    const EVIL: &str = "a\"b\\c\n\u{1b}[31m\u{202e}\u{fc}";

    fn events() {
        info!(
            route = "a",
            protocol = "rfc6455",
            over = None::<&str>,
            peer = display("127.0.0.1:1234"),
            target = "/chat?room=***",
            user_agent = EVIL,
            "open"
        );
        info!(
            id = "7",
            protocol = "rfc6455",
            peer = display("[2001:db8::1]:1234"),
            target = "/chat?room=***",
            user_agent = EVIL,
            received = 25_u64,
            sent = 11_u64,
            seconds = 0.25,
            code = 1000_u16,
            reason = EVIL,
            by = "client",
            clean = true,
            "close"
        );
        info!(
            method = "GET",
            over = "HTTP/2",
            tls = "TLSv1.3",
            peer = display("2001:db8::1"),
            target = "/a",
            status = 404_u16,
            sent = 3_u64,
            seconds = 0.003,
            complete = true,
            trace_id = "0af7",
            "request"
        );
        info!(
            peer = display("192.0.2.1:9"),
            target = "/",
            origin = "http://a",
            status = 403_u16,
            reason = "no",
            "reject"
        );
        info!(status = 400_u16, reason = %EVIL, "refuse");
        warn!(error = EVIL, times = 2_u64, "opens nothing\nfor {EVIL}");
        info!(peer = "unix", open = -1_i64, "opened");
    }

    #[test]
    fn text_is_readable_and_escapes_control_characters() {
        let evil = r#""a\"b\\c\n\u{1b}[31m\u{202e}ü""#;
        let bare = r#"a"b\c\n\u{1b}[31m\u{202e}ü"#;
        let expected = [
            format!(
                r#" INFO open route="a" protocol="rfc6455" peer=127.0.0.1:1234 target="/chat?room=***" user_agent={evil}"#
            ),
            format!(
                r#" INFO close id="7" protocol="rfc6455" peer=[2001:db8::1]:1234 target="/chat?room=***" user_agent={evil} received=25 sent=11 seconds=0.25 code=1000 reason={evil} by="client" clean=true"#
            ),
            r#" INFO request method="GET" over="HTTP/2" tls="TLSv1.3" peer=2001:db8::1 target="/a" status=404 sent=3 seconds=0.003 complete=true trace_id="0af7""#.to_owned(),
            r#" INFO reject peer=192.0.2.1:9 target="/" origin="http://a" status=403 reason="no""#.to_owned(),
            format!(" INFO refuse status=400 reason={bare}"),
            format!(" WARN opens nothing\\nfor {bare} error={evil} times=2"),
            r#" INFO opened peer="unix" open=-1"#.to_owned(),
        ];
        assert_eq!(written(Format::Text, events), expected);
    }

    #[test]
    fn json_has_every_field_by_its_name() {
        let lines = written(Format::Json, events);
        let expected = [
            r#"{"level":"INFO","message":"open","route":"a","protocol":"rfc6455","peer":"127.0.0.1:1234","target":"/chat?room=***","user_agent":"EVIL"}"#,
            r#"{"level":"INFO","message":"close","id":"7","protocol":"rfc6455","peer":"[2001:db8::1]:1234","target":"/chat?room=***","user_agent":"EVIL","received":25,"sent":11,"seconds":0.25,"code":1000,"reason":"EVIL","by":"client","clean":true}"#,
            r#"{"level":"INFO","message":"request","method":"GET","over":"HTTP/2","tls":"TLSv1.3","peer":"2001:db8::1","target":"/a","status":404,"sent":3,"seconds":0.003,"complete":true,"trace_id":"0af7"}"#,
            r#"{"level":"INFO","message":"reject","peer":"192.0.2.1:9","target":"/","origin":"http://a","status":403,"reason":"no"}"#,
            r#"{"level":"INFO","message":"refuse","status":400,"reason":"EVIL"}"#,
            r#"{"level":"WARN","message":"opens nothing\nfor EVIL","error":"EVIL","times":2}"#,
            r#"{"level":"INFO","message":"opened","peer":"unix","open":-1}"#,
        ];
        assert_json(&lines, &expected);
    }

    #[test]
    fn ecs_has_the_names_of_the_schema() {
        let lines = written(Format::Ecs, events);
        let always = r#""ecs.version":"8.17.0","service.name":"polysock""#;
        let of = |category: &str, types: &str, action: &str, outcome: &str| {
            format!(
                r#"{always},"event.kind":"event","event.category":["{category}"],"event.type":[{types}],"event.action":"{action}","event.outcome":"{outcome}""#
            )
        };
        let open = of("network", r#""connection","start""#, "open", "success");
        let close = of("network", r#""connection","end""#, "close", "success");
        let request = of("web", r#""access""#, "request", "failure");
        let denied = r#""connection","denied""#;
        let (reject, refuse) = (
            of("network", denied, "reject", "failure"),
            of("network", denied, "refuse", "failure"),
        );
        let websocket = r#""network.protocol":"websocket""#;
        let expected = [
            &*format!(
                r#"{{"log.level":"info","message":"open","polysock.route":"a","polysock.protocol":"rfc6455","client.ip":"127.0.0.1","client.port":1234,"url.path":"/chat","url.query":"room=***","user_agent.original":"EVIL",{open},{websocket}}}"#
            ),
            &format!(
                r#"{{"log.level":"info","message":"close","event.id":"7","polysock.protocol":"rfc6455","client.ip":"2001:db8::1","client.port":1234,"url.path":"/chat","url.query":"room=***","user_agent.original":"EVIL","source.bytes":25,"destination.bytes":11,"event.duration":250000000,"polysock.close.code":1000,"polysock.close.reason":"EVIL","polysock.close.by":"client","polysock.close.clean":true,{close},{websocket}}}"#
            ),
            &format!(
                r#"{{"log.level":"info","message":"request","http.request.method":"GET","http.version":"2","tls.version":"1.3","tls.version_protocol":"tls","client.ip":"2001:db8::1","url.path":"/a","http.response.status_code":404,"http.response.body.bytes":3,"event.duration":3000000,"polysock.complete":true,"trace.id":"0af7",{request},"network.protocol":"http"}}"#
            ),
            &format!(
                r#"{{"log.level":"info","message":"reject","client.ip":"192.0.2.1","client.port":9,"url.path":"/","polysock.origin":"http://a","http.response.status_code":403,"event.reason":"no",{reject},{websocket}}}"#
            ),
            &format!(
                r#"{{"log.level":"info","message":"refuse","http.response.status_code":400,"event.reason":"EVIL",{refuse}}}"#
            ),
            &format!(
                r#"{{"log.level":"warn","message":"opens nothing\nfor EVIL","error.message":"EVIL","polysock.times":2,{always}}}"#
            ),
            &format!(
                r#"{{"log.level":"info","message":"opened","client.address":"unix","polysock.open":-1,{always}}}"#
            ),
        ];
        assert_json(&lines, &expected);
    }

    #[test]
    fn clf_is_a_line_for_each_close_request_and_refusal() {
        let lines = written(Format::Clf, events);
        let evil = r"a\x22b\x5Cc\x0A\x1B[31m\xE2\x80\xAE\xC3\xBC";
        let expected = [
            format!(r#"2001:db8::1 - - [] "GET /chat?room=*** HTTP/1.1" 101 11 "-" "{evil}""#),
            r#"2001:db8::1 - - [] "GET /a HTTP/2.0" 404 3 "-" "-""#.to_owned(),
            r#"192.0.2.1 - - [] "GET / HTTP/1.1" 403 - "http://a" "-""#.to_owned(),
            r#"- - - [] "-" 400 - "-" "-""#.to_owned(),
        ];
        let of_access = lines.iter().filter(|line| line.contains(" - - "));
        assert_eq!(of_access.cloned().collect::<Vec<_>>(), expected);
        // All other lines are text.
        let others = lines.iter().filter(|line| !line.contains(" - - "));
        let others: Vec<_> = others.map(|line| line.get(..10).unwrap()).collect();
        assert_eq!(others, [" WARN open", " INFO open"]);
    }

    /// RFC 8441: CONNECT requests a WebSocket on an HTTP/2 stream, and 200 accepts it.
    #[test]
    fn clf_contains_the_method_of_the_opening_handshake() {
        for (events, expected) in [
            (
                (|| {
                    info!(
                        peer = "10.0.0.1",
                        target = "/",
                        over = "HTTP/2",
                        sent = 1_u64,
                        "close"
                    );
                }) as fn(),
                r#"10.0.0.1 - - [] "CONNECT / HTTP/2.0" 200 1 "-" "-""#,
            ),
            (
                || {
                    info!(peer = "10.0.0.1:1", target = "/", status = 200_u16, "close");
                },
                r#"10.0.0.1 - - [] "CONNECT / HTTP/2.0" 200 - "-" "-""#,
            ),
            (
                || {
                    info!(peer = "[::1]:1", target = "/", status = 101_u16, "close");
                },
                r#"::1 - - [] "GET / HTTP/1.1" 101 - "-" "-""#,
            ),
            (
                || {
                    info!(method = "P\"T", target = "/", "request");
                },
                r#"- - - [] "P\x22T / HTTP/1.1" - - "-" "-""#,
            ),
        ] {
            assert_eq!(written(Format::Clf, events), [expected]);
        }
    }

    /// Asserts that each line is one JSON object and equals the expected one, in which `EVIL` is a
    /// placeholder for a hostile text.
    #[track_caller]
    fn assert_json(lines: &[String], expected: &[&str]) {
        let evil = r"a\u0022b\u005cc\n\u001b[31m\u202eü";
        for (line, expected) in lines.iter().zip(expected) {
            let shown = r#"a\"b\\c\n\u001b[31m\u202eü"#;
            assert_eq!(*line, expected.replace("EVIL", shown));
            let value: Value = serde_json::from_str(line).unwrap();
            let expected: Value = serde_json::from_str(&expected.replace("EVIL", evil)).unwrap();
            assert_eq!(value, expected);
        }
        assert_eq!(lines.len(), expected.len());
    }
}
