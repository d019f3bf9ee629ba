//! Processes, as websocketd runs them: `exec:COMMAND`.
//!
//! ```text
//!                      ┌── Process (a transport: its pipes) ── Connection   one for each client
//!   ExecUpstream ──────┤
//!                      └── Hub ── Broadcast ── Connection, Connection, …    one for all clients
//!   supervisor         a thread that starts, ends and reaps all processes
//! ```

mod environment;
mod exit_error;
mod hub;
mod process;
mod process_log;
mod settings;
mod supervisor;
mod words;

use std::process::Command;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use polysock_protocols::{Codec, Kind, Request, Role, hide_secrets};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::environment::environment;
pub use self::exit_error::ExitError;
use self::hub::Hub;
use self::process::Process;
pub use self::settings::ExecSettings;
pub use self::supervisor::end_processes;
use self::supervisor::start;
use self::words::words;
use super::location::{problem_of, strip_scheme};
use super::raw::subprotocol;
use super::{Client, Connected, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::connection::{Connection, ConnectionOptions};
use crate::transport::Transport;

/// A process for each client, or one for all. The messages of a client are written to the standard
/// input of the process, and its standard output is sent to the client. Its standard error is
/// logged.
///
/// A disconnect of the client ends its process: the input is closed, 100 ms later the process group
/// gets SIGTERM, and after [`ExecSettings::grace`] SIGKILL. The end of a process closes the
/// connection after all of its output was delivered: properly if its status is 0, otherwise with an
/// [`ExitError`]. Clones share the processes and their limit.
#[derive(Clone, Debug)]
pub struct ExecUpstream {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runner: Runner,
    /// The shared process; `None` if each client has its own.
    hub: Option<Hub>,
}

impl ExecUpstream {
    /// Reads `exec:COMMAND`: a program and its arguments, separated by blanks. Quotes and
    /// backslashes keep blanks within a word. No shell reads the command, unless it is one, as in
    /// `exec:sh -c 'a | b'`.
    ///
    /// # Errors
    ///
    /// The command is missing, or a quote is not closed.
    pub fn parse(
        url: &str,
        settings: UpstreamSettings,
        exec: ExecSettings,
    ) -> Result<Self, UrlError> {
        let command = strip_scheme("exec:", url);
        let command = command.ok_or_else(|| UrlError::Scheme(hide_secrets(url).into_owned()))?;
        let words = words(command).map_err(|problem| problem_of(url, problem))?;
        Self::new(words, settings, exec)
    }

    /// Creates the same from a command that is split into words: a program and its arguments.
    ///
    /// # Errors
    ///
    /// There are no words.
    pub fn new(
        words: Vec<String>,
        settings: UpstreamSettings,
        exec: ExecSettings,
    ) -> Result<Self, UrlError> {
        let Some(program) = words.first() else {
            return Err(problem_of("exec:", "the command is missing"));
        };
        let is_shared = exec.shared;
        let runner = Runner {
            shown: format!("exec:{program}").into(),
            places: Arc::new(Semaphore::new(
                exec.max_processes.min(Semaphore::MAX_PERMITS),
            )),
            words,
            settings,
            exec,
        };
        let hub = is_shared.then(|| Hub::new(runner.clone()));
        Ok(Self {
            shared: Arc::new(Shared { runner, hub }),
        })
    }
}

impl Upstream for ExecUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        let Shared { runner, hub } = &*self.shared;
        Box::pin(async move {
            let connecting = async {
                match hub {
                    Some(hub) => Ok(runner.connected(hub.join().await?, client.request)),
                    None => Ok(runner.connected(runner.run(Some(client)).await?, client.request)),
                }
            };
            runner.settings.in_time(connecting).await
        })
    }
}

/// A command, and how it is run.
#[derive(Clone, Debug)]
struct Runner {
    /// The name in the log, without the arguments, which may be secrets.
    shown: Arc<str>,
    words: Vec<String>,
    settings: UpstreamSettings,
    exec: ExecSettings,
    /// A permit for each process that may run.
    places: Arc<Semaphore>,
}

impl Runner {
    /// Starts a process for a client, or for all clients if `client` is `None`.
    async fn run(&self, client: Option<Client<'_>>) -> Result<Process, UpstreamError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place: OwnedSemaphorePermit = place.map_err(|_| UpstreamError::Full {
            limit: self.exec.max_processes,
        })?;
        let [program, arguments @ ..] = &*self.words else {
            return Err(UpstreamError::Unsupported("the command is empty"));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment(&self.exec, client));
        if let Some(dir) = &self.exec.dir {
            command.current_dir(dir);
        }
        let starting = async {
            let started = start(command, self.exec.grace, place).await?;
            Process::new(started, self.exec.framing.delimiter())
        };
        starting.await.map_err(|error| UpstreamError::Start {
            program: program.clone(),
            error,
        })
    }

    /// Returns a client's connection over a transport with the framing of the process.
    fn connected(&self, transport: impl Transport, request: &Request) -> Connected {
        let options = ConnectionOptions {
            session: self.settings.session,
            ..ConnectionOptions::new("exec", Role::Client)
        };
        let connection = Connection::over(transport, self.codec(), options);
        let connection = connection.held_to(&self.settings.terms);
        Connected {
            target: Some(Arc::clone(&self.shown)),
            subprotocol: subprotocol(request),
            ..connection.into()
        }
    }

    fn codec(&self) -> Box<dyn Codec> {
        let kind = if self.exec.binary {
            Kind::Binary
        } else {
            Kind::Text
        };
        self.exec
            .framing
            .codec(kind, self.settings.session.max_message)
    }
}
