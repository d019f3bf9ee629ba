//! How processes are run and spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use polysock_protocols::Framing;

/// How processes are run and spoken to. The defaults are websocketd's, as far as it has them.
#[derive(Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// How messages stand in what a process reads and writes; lines by default.
    pub framing: Framing,
    /// Whether what a process writes are binary messages; texts by default, in which bytes that are
    /// not UTF-8 are replaced by U+FFFD. With [`Framing::Stream`] they always are.
    pub binary: bool,
    /// The directory a process starts in, from which a path of its program is found that is
    /// relative; by default that of the gateway.
    pub dir: Option<PathBuf>,
    /// Variables of its environment, which come before all others.
    pub env: Vec<(String, String)>,
    /// The names of variables that it has from the gateway's own environment, where they are set. It
    /// always has `PATH`, and no others.
    pub pass_env: Vec<String>,
    /// How many processes there may be at a time; 1024 by default. Who comes then is refused with
    /// 503. One that is being ended counts until it has gone.
    pub max_processes: usize,
    /// How long a process may take to end after SIGTERM before it is killed; 5 seconds by default.
    pub grace: Duration,
    /// Whether all clients share one process: what it writes goes to each of them, and what any of
    /// them says to it. It is started for the first, and again whenever it has ended.
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

// Values of the environment may be secret, and are not shown.
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
