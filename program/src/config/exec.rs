//! The process settings of an `exec:` target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::form::{Choice, List, Maybe, Names, Switch};
use super::key::Key;
use super::words::{Place, count, duration, text};

/// The process settings of an `exec:` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExecSettings {
    /// The framing of messages in its input and output.
    pub(crate) framing: Framing,
    /// True if messages are binary.
    pub(crate) binary: bool,
    /// True if one process serves all clients.
    pub(crate) shared: bool,
    /// The working directory; `None` for the gateway's.
    pub(crate) dir: Option<PathBuf>,
    /// Variables added to its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Variables that are passed on from the gateway's environment.
    pub(crate) pass_env: Vec<String>,
    /// The most processes at a time.
    pub(crate) max_processes: usize,
    /// The time that a process has to end by itself, before it is killed.
    pub(crate) grace: Duration,
}

/// The framing of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A message is a line.
    Line,
    /// A message ends with a NUL.
    Nul,
    /// A message follows its length in four bytes, the most significant first.
    Length,
    /// There is no framing: each read is a message, and messages are written without separators.
    Stream,
}

impl Default for ExecSettings {
    fn default() -> Self {
        Self {
            framing: Framing::Line,
            binary: false,
            shared: false,
            dir: None,
            env: BTreeMap::new(),
            pass_env: Vec::new(),
            max_processes: 1024,
            grace: Duration::from_secs(5),
        }
    }
}

/// The keys of [`ExecSettings`].
pub(super) fn keys() -> Vec<Key<ExecSettings>> {
    vec![
        Key::new(
            "framing",
            Choice(&[
                ("line", Framing::Line),
                ("nul", Framing::Nul),
                ("length", Framing::Length),
                ("stream", Framing::Stream),
            ]),
            |exec: &mut ExecSettings| &mut exec.framing,
            "The framing of messages in the input and output of the process: each \"line\" is a message, a \"nul\" \
             byte ends each message, each message follows its \"length\" in four bytes (big-endian), or there is no \
             framing (\"stream\").",
        ),
        Key::new(
            "binary",
            Switch,
            |exec| &mut exec.binary,
            "Whether messages to the client are binary.",
        ),
        Key::new(
            "shared",
            Switch,
            |exec| &mut exec.shared,
            "Whether one process serves all clients. Its output is then sent to each of them.",
        ),
        Key::new(
            "dir",
            Maybe(Place),
            |exec: &mut ExecSettings| &mut exec.dir,
            "The working directory of the process. Default: that of the gateway.",
        )
        .example("\"/srv/run\""),
        Key::new(
            "env",
            Names(text()),
            |exec: &mut ExecSettings| &mut exec.env,
            "Variables in the environment of the process, in addition to those that websocketd sets.",
        )
        .example("{ LANG = \"C.UTF-8\" }"),
        Key::new(
            "pass_env",
            List(text()),
            |exec| &mut exec.pass_env,
            "The names of variables that are passed on from the gateway's own environment, in addition to PATH.",
        ),
        Key::new(
            "max_processes",
            count(),
            |exec| &mut exec.max_processes,
            "The maximum number of processes at a time, or \"none\". Further clients receive 503.",
        ),
        Key::new(
            "grace",
            duration(),
            |exec| &mut exec.grace,
            "The time that the process of a disconnected client has to end after SIGTERM, before it is killed.",
        ),
    ]
}
