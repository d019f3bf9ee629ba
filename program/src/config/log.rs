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
            "The format of log lines: \"text\", \"json\", \"ecs\" (JSON in the Elastic Common Schema) or \"clf\" (the \
             combined log format, for lines about connections and requests). Default: that of --log-format.",
        )
        .example("\"text\""),
        Key::new(
            "level",
            Maybe(level()),
            |log: &mut Settings| &mut log.level,
            "The log level: \"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\". Parts of the program may \
             have a level of their own: \"info,polysock::upstream=debug\". The environment variable RUST_LOG takes \
             precedence.",
        )
        .example("\"info\""),
        Key::new(
            "file",
            Maybe(Place),
            |log: &mut Settings| &mut log.file,
            "The file to which log lines are appended. SIGUSR1 reopens it. Default: standard error.",
        )
        .example("\"/var/log/polysock/error.log\""),
        Key::new(
            "access",
            Maybe(AccessPlace),
            |log: &mut Settings| &mut log.access,
            "The destination of lines about connections and requests: a file to which they are appended, \"-\" for \
             standard output, or \"off\". Default: the same log as for other lines.",
        )
        .example("\"/var/log/polysock/access.log\""),
        Key::new(
            "query",
            Switch,
            |log: &mut Settings| &mut log.query,
            "Whether the query values of targets are logged. Otherwise they are replaced by ***. Tokens are always \
             replaced.",
        ),
        Key::new(
            "otlp",
            Maybe(collector()),
            |log: &mut Settings| &mut log.otlp,
            "The URL of the trace collector to which spans of handshakes and closes are sent, by OTLP over HTTP. \
             Default: none. This requires a build with the feature otlp.",
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
