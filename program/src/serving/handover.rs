//! The takeover of a server's sockets by another server on this machine, through a Unix socket.
//!
//! ```text
//!   successor                           predecessor
//!     connects            ─────────▶
//!                         ◀─────────    "polysock handover 1", a line for each name, an empty line
//!     the wanted names,
//!     and an empty line   ─────────▶
//!                         ◀─────────    the sockets, a byte with each
//!     serves: "ready"     ─────────▶
//!                         ◀─────────    "yours": accepts no more, and ends
//! ```
//!
//! Both servers hold the same sockets, so no connection that the kernel has accepted is lost. (A
//! second socket on the same port, by `SO_REUSEPORT`, has a queue of its own: closing the first
//! resets the connections in its queue.) The handover socket itself is passed on like the others.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use polysock::{ListenAddress, ListeningSocket};
use rustix::cmsg_space;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::geteuid;
use tokio::net::UnixListener;
use tokio::time::sleep;
use tracing::warn;

/// The first line of the protocol. An incompatible version has another number.
const VERSION: &str = "polysock handover 1";

/// The name of the handover socket among the passed ones.
const OURS: &str = "handover";

/// The timeout of each read and write. The other server has little to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(500);

/// Limits of the protocol: bytes per line, and lines per list.
const MAX_LINE: u64 = 4096;
const MAX_LINES: usize = 4096;

/// The handover socket, to which the next server connects.
#[derive(Debug)]
pub(super) struct Offer {
    socket: ListeningSocket,
    listener: UnixListener,
}

/// A server that wants to take over.
#[derive(Debug)]
pub(crate) struct Successor {
    stream: BufReader<UnixStream>,
}

/// The server that runs until this one takes over.
#[derive(Debug)]
pub(super) struct Predecessor {
    stream: BufReader<UnixStream>,
    /// The sockets that it has passed on, by name.
    sockets: Vec<(String, Vec<OwnedFd>)>,
}

impl Offer {
    /// Binds the handover socket at this path, on the current runtime.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let address = ListenAddress::Unix {
            path: path.to_owned(),
            mode: Some(0o600),
        };
        Self::by(ListeningSocket::bind(&address, 1)?)
    }

    /// Uses a handover socket that the predecessor has passed on.
    pub(super) fn inherited(sockets: Vec<OwnedFd>) -> io::Result<Self> {
        Self::by(ListeningSocket::inherited(sockets)?)
    }

    fn by(socket: ListeningSocket) -> io::Result<Self> {
        let one = socket.descriptors()?.pop().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            listener: UnixListener::from_std(one.into())?,
            socket,
        })
    }

    /// The listening socket, to adopt it or to hand it over.
    pub(super) fn socket(&mut self) -> &mut ListeningSocket {
        &mut self.socket
    }

    /// Waits for a server that wants to take over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn successor(&self) -> Successor {
        loop {
            let accepted = self.listener.accept().await;
            let stream = accepted.and_then(|(stream, _)| {
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                trusted(stream)
            });
            match stream {
                Ok(stream) => {
                    let stream = BufReader::new(stream);
                    return Successor { stream };
                }
                Err(error) => {
                    warn!("cannot accept a request for a handover: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Successor {
    /// Passes on the requested sockets out of `sockets` and the offer's own, and waits until the
    /// successor serves them. Returns the names of the passed sockets.
    pub(super) fn give(
        &mut self,
        offer: &Offer,
        sockets: &[(String, Vec<OwnedFd>)],
    ) -> io::Result<Vec<String>> {
        let ours = (OURS.to_owned(), offer.socket.descriptors()?);
        let mut left: Vec<_> = sockets.iter().chain([&ours]).collect();
        let mut text = format!("{VERSION}\n");
        for (name, sockets) in &left {
            text += &format!("{} {name}\n", sockets.len());
        }
        self.say(&format!("{text}\n"))?;
        let wanted = lines(&mut self.stream)?;
        for name in &wanted {
            // Several sockets may have the same name: two listeners on port 0.
            let at = left.iter().position(|(other, _)| other == name);
            let (_, sockets) = left.remove(at.ok_or_else(|| unexpected(name))?);
            for socket in sockets {
                send(self.stream.get_ref(), socket.as_fd())?;
            }
        }
        match &*line(&mut self.stream)? {
            "ready" => Ok(wanted),
            other => Err(unexpected(other)),
        }
    }

    /// Tells the successor that this server stops accepting. Errors are ignored: a successor that
    /// has disconnected notices by itself.
    pub(super) fn leave(mut self) {
        let _ = self.say("yours\n");
    }

    /// The process ID of the successor.
    pub(super) fn process(&self) -> u32 {
        process(self.stream.get_ref())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }
}

impl Predecessor {
    /// Connects to the server that offers its sockets at this path, and receives those of these
    /// names that it has. Returns `None` if no server listens there.
    pub(super) fn find(path: &Path, names: &[String]) -> io::Result<Option<Self>> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => trusted(stream)?,
            Err(error) => {
                let kind = error.kind();
                let is_nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
                return match is_nobody.contains(&kind) {
                    true => Ok(None),
                    false => Err(error),
                };
            }
        };
        let mut stream = BufReader::new(stream);
        let offered = lines(&mut stream)?;
        let [version, offered @ ..] = &*offered else {
            return Err(unexpected(""));
        };
        if version != VERSION {
            return Err(unexpected(version));
        }
        let mut wanted = Vec::new();
        for line in offered {
            let (count, name) = line.split_once(' ').ok_or_else(|| unexpected(line))?;
            let count: usize = count.parse().map_err(|_| unexpected(line))?;
            if name == OURS || names.iter().any(|wanted| wanted == name) {
                wanted.push((count, name.to_owned()));
            }
        }
        let mut text: String = wanted.iter().map(|(_, name)| format!("{name}\n")).collect();
        text.push('\n');
        stream.get_mut().write_all(text.as_bytes())?;
        let mut sockets = Vec::new();
        for (count, name) in wanted {
            let received = (0..count).map(|_| receive(stream.get_ref()));
            sockets.push((name, received.collect::<io::Result<_>>()?));
        }
        Ok(Some(Self { stream, sockets }))
    }

    /// Takes the sockets of this name, if the predecessor has passed any.
    pub(super) fn sockets(&mut self, name: &str) -> Option<Vec<OwnedFd>> {
        let at = self.sockets.iter().position(|(other, _)| other == name)?;
        Some(self.sockets.remove(at).1)
    }

    /// Takes the handover socket.
    pub(super) fn offer(&mut self) -> Option<Vec<OwnedFd>> {
        self.sockets(OURS)
    }

    /// Reports that all sockets are served, and waits until the predecessor confirms that it
    /// leaves.
    pub(super) fn relieve(mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(b"ready\n")?;
        match &*line(&mut self.stream)? {
            "yours" => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// The process ID of the predecessor.
    pub(super) fn process(&self) -> u32 {
        process(self.stream.get_ref())
    }
}

/// Checks that the peer process belongs to the same user or to root, and sets the timeouts.
fn trusted(stream: UnixStream) -> io::Result<UnixStream> {
    let user = socket_peercred(&stream)?.uid;
    if user != geteuid() && !user.is_root() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the other process belongs to user {}", user.as_raw()),
        ));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn process(stream: &UnixStream) -> u32 {
    let process = socket_peercred(stream).map(|peer| peer.pid.as_raw_nonzero().get());
    process.unwrap_or_default().unsigned_abs()
}

/// Reads lines up to an empty one.
fn lines(stream: &mut BufReader<UnixStream>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        match line(stream)? {
            line if line.is_empty() => return Ok(lines),
            _ if lines.len() == MAX_LINES => return Err(unexpected("too many lines")),
            line => lines.push(line),
        }
    }
}

fn line(stream: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = String::new();
    let read = io::Read::take(stream, MAX_LINE).read_line(&mut line);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    })?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the other process closed the connection",
        )),
    }
}

fn unexpected(line: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("unexpected message `{}`", line.escape_debug()),
    )
}

/// Sends a socket along with one byte, which carries it.
fn send(stream: &UnixStream, socket: BorrowedFd<'_>) -> io::Result<()> {
    let sockets = [socket];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut carried = SendAncillaryBuffer::new(&mut space);
    carried.push(SendAncillaryMessage::ScmRights(&sockets));
    let byte = [IoSlice::new(b".")];
    sendmsg(stream, &byte, &mut carried, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one socket.
fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut carried = RecvAncillaryBuffer::new(&mut space);
    let bytes = &mut [IoSliceMut::new(&mut byte)];
    recvmsg(stream, bytes, &mut carried, RecvFlags::CMSG_CLOEXEC)?;
    let received = carried.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    received.ok_or_else(|| unexpected("no socket"))
}
