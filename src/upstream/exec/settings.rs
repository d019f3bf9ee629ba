//! The settings of processes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use polysock_protocols::Framing;

/// The settings of processes. The defaults are those of websocketd, as far as it has them.
#[derive(Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// The framing of messages in the input and output of a process; lines by default.
    pub framing: Framing,
    /// Whether the output of a process is sent as binary messages. By default it is sent as text,
    /// in which bytes that are not UTF-8 are replaced with U+FFFD. With [`Framing::Stream`]
    /// messages are always binary.
    pub binary: bool,
    /// The working directory of a process, to which a relative path of its program refers; `None`,
    /// the default, for the gateway's.
    pub dir: Option<PathBuf>,
    /// Variables of the environment. They take precedence over all others.
    pub env: Vec<(String, String)>,
    /// The names of variables that are copied from the gateway's own environment, if they are set.
    /// `PATH` is always copied, and no others are.
    pub pass_env: Vec<String>,
    /// The maximum number of processes at a time; 1024 by default. Further clients are refused with
    /// 503. A process that is being ended counts until it has been reaped.
    pub max_processes: usize,
    /// The time that a process may take to end after SIGTERM before it is killed; 5 seconds by
    /// default.
    pub grace: Duration,
    /// Whether all clients share one process. Its output goes to each of them, and the messages of
    /// each go to the process. The process is started for the first client, and again whenever it
    /// has ended.
    pub shared: bool,
}

impl Default for ExecSettings {
    fn default() -> Self {
        Self {
            framing: Framing::Line,
            binary: false,
            dir: None,
            env: Vec::new(),
            pass_env: Vec::new(),
            max_processes: 1024,
            grace: Duration::from_secs(5),
            shared: false,
        }
    }
}

// The values of environment variables may be secret, and are not shown.
impl fmt::Debug for ExecSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("ExecSettings")
            .field("framing", &self.framing)
            .field("binary", &self.binary)
            .field("dir", &self.dir)
            .field("env", &names)
            .field("pass_env", &self.pass_env)
            .field("max_processes", &self.max_processes)
            .field("grace", &self.grace)
            .field("shared", &self.shared)
            .finish()
    }
}
