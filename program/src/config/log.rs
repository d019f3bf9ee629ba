//! The log: `[log]`.

use polysock::protocols::hide_secrets;
use serde_json::{Value, json};

use super::form::{Choice, Form, Maybe, Switch, Word, quoted};
use super::key::{Key, Section};
use super::node::Node;
use super::reader::Reader;
use super::words::Place;
use crate::log::{Access, Format, Settings, check_filter};
use crate::spans::parse_collector;

/// The table `[log]`.
pub(super) const LOG: Section<Settings> = Section {
    title: "[log]",
    keys,
};

/// The keys of `[log]`.
pub(super) fn keys() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "format",
            Maybe(Choice(&[
                ("text", Format::Text),
                ("json", Format::Json),
                ("ecs", Format::Ecs),
                ("clf", Format::Clf),
            ])),
            |log: &mut Settings| &mut log.format,
            "How log lines are written: \"text\", \"json\", \"ecs\" (JSON in the Elastic Common Schema) or \"clf\" \
             (the combined log format, for what is logged of connections and requests). Not given: as --log-format \
             says.",
        )
        .example("\"text\""),
        Key::new(
            "level",
            Maybe(level()),
            |log: &mut Settings| &mut log.level,
            "What is logged: \"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", also of a part of the \
             program: \"info,polysock::upstream=debug\". The variable RUST_LOG goes before it.",
        )
        .example("\"info\""),
        Key::new(
            "file",
            Maybe(Place),
            |log: &mut Settings| &mut log.file,
            "The file to whose end they are written; SIGUSR1 has it opened again. Not given: standard error.",
        )
        .example("\"/var/log/polysock/error.log\""),
        Key::new(
            "access",
            Maybe(AccessPlace),
            |log: &mut Settings| &mut log.access,
            "Where lines about connections and requests go: to the end of a file, \"-\" for standard output, or \
             \"off\". Not given: to the same log as the others.",
        )
        .example("\"/var/log/polysock/access.log\""),
        Key::new(
            "query",
            Switch,
            |log: &mut Settings| &mut log.query,
            "Whether they show the values in the queries of targets, which are *** otherwise. Tokens are *** in any \
             case.",
        ),
        Key::new(
            "otlp",
            Maybe(collector()),
            |log: &mut Settings| &mut log.otlp,
            "The collector of traces that is sent spans of handshakes and closes, by OTLP over HTTP. Not given: none. It \
             takes a program that was built with the feature otlp.",
        )
        .example("\"http://127.0.0.1:4318\""),
    ]
}

/// The form of a log filter.
fn level() -> Word<String> {
    Word {
        read: |text| {
            let mend = "write `error`, `warn`, `info`, `debug`, `trace` or `off`, or several as \
                        `info,polysock::upstream=debug`";
            check_filter(text).map_err(|_| mend.to_owned())?;
            Ok(text.to_owned())
        },
        write: |level| Some(quoted(level)),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of the URL of a collector of traces.
fn collector() -> Word<String> {
    Word {
        read: parse_collector,
        write: |url| Some(quoted(&hide_secrets(url))),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of an access log's destination: a file, `-` or `off`.
struct AccessPlace;

impl Form<Access> for AccessPlace {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Access> {
        match &*node.word(&mut reader.problems)? {
            "" => {
                node.unfit("write a path, `-` or `off`", &mut reader.problems);
                None
            }
            "off" => Some(Access::Off),
            "-" => Some(Access::Stdout),
            path => Some(Access::File(reader.resolve(path))),
        }
    }

    fn write(&self, value: &Access) -> Option<String> {
        Some(match value {
            Access::Off => quoted("off"),
            Access::Stdout => quoted("-"),
            Access::File(path) => quoted(&path.to_string_lossy()),
        })
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}
