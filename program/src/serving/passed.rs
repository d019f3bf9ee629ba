//! Sockets that systemd passes: sd_listen_fds(3).

use std::env;
use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::process;

use listenfd::ListenFd;
use polysock::ListeningSocket;

/// The sockets that were passed to this process. They are kept as long as the process lives: a
/// reload may use a socket again that no listener uses now.
#[derive(Debug)]
pub(super) struct Passed {
    sockets: Vec<Socket>,
    /// The process ID in `LISTEN_PID`, if it is another process's.
    meant_for: Option<String>,
}

/// A socket that systemd has passed.
#[derive(Debug)]
struct Socket {
    /// The name that its unit gives it.
    name: String,
    /// `None` if it is not a stream socket.
    descriptor: Option<OwnedFd>,
}

impl Passed {
    /// Takes the sockets and removes them from the environment.
    pub(super) fn take() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<_> = names.split(':').collect();
        let process = env::var("LISTEN_PID").ok();
        let is_ours = |number: &str| number.is_empty() || *number == process::id().to_string();
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|number| Socket {
            name: match names.get(number) {
                None | Some(&"") => "unknown".to_owned(),
                Some(name) => (*name).to_owned(),
            },
            descriptor: descriptor(&mut passed, number),
        });
        Self {
            sockets: sockets.collect(),
            meant_for: process.filter(|number| !is_ours(number)),
        }
    }

    /// True if the socket of this number has this name. `None` matches every name.
    pub(super) fn is_named(&self, number: usize, name: Option<&str>) -> bool {
        let socket = self.sockets.get(number);
        socket.is_some_and(|socket| name.is_none_or(|name| name == socket.name))
    }

    /// Returns the sockets of this name with their numbers, or all sockets for `None`.
    ///
    /// # Errors
    ///
    /// There is no such socket, or one is not a listening stream socket.
    pub(super) fn named(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(usize, ListeningSocket)>, String> {
        let numbers = (0..self.sockets.len()).filter(|number| self.is_named(*number, name));
        let sockets = numbers.map(|number| Ok((number, self.open(number)?)));
        let sockets: Vec<_> = sockets.collect::<Result<_, String>>()?;
        match (sockets.is_empty(), name) {
            (false, _) => Ok(sockets),
            (true, Some(name)) if !self.sockets.is_empty() => Err(format!(
                "systemd has passed no socket named `{name}`, only {}; FileDescriptorName= in a socket's unit \
                 sets its name",
                listed(self.sockets.iter().map(|socket| &socket.name))
            )),
            (true, _) => Err(match &self.meant_for {
                Some(process) => format!(
                    "systemd's sockets belong to process {process} (LISTEN_PID), and this is process {}: start \
                     polysock without a shell around it, or with exec",
                    process::id()
                ),
                None => "systemd has passed no sockets: start polysock by a socket unit, or give an address"
                    .to_owned(),
            }),
        }
    }

    /// The names of the sockets whose number is not in `taken`; `None` if there are none.
    pub(super) fn others(&self, taken: &[usize]) -> Option<String> {
        let others = self.sockets.iter().enumerate();
        let others = others.filter(|(number, _)| !taken.contains(number));
        let others: Vec<_> = others.map(|(_, socket)| &socket.name).collect();
        (!others.is_empty()).then(|| listed(others))
    }

    fn open(&self, number: usize) -> Result<ListeningSocket, String> {
        let Some(Socket { name, descriptor }) = self.sockets.get(number) else {
            return Err(format!("systemd has passed no socket {number}"));
        };
        let unfit = |problem: &dyn Display| {
            format!(
                "the socket `{name}` from systemd is unusable: {problem}; its unit needs ListenStream=, and \
                 no Accept="
            )
        };
        let Some(descriptor) = descriptor else {
            return Err(unfit(&"it is not a stream socket"));
        };
        let clone = descriptor.try_clone();
        let socket = clone.and_then(|socket| ListeningSocket::inherited(vec![socket]));
        socket.map_err(|error| unfit(&error))
    }
}

fn descriptor(passed: &mut ListenFd, number: usize) -> Option<OwnedFd> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(number) {
        return Some(listener.into());
    }
    let listener = passed.take_unix_listener(number).ok()??;
    Some(listener.into())
}

/// The names in backquotes, separated by commas.
fn listed<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names = names.into_iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}
