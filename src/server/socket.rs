//! Listening sockets, before and while they are served.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::address::ListenAddress;

/// The number of connections that the kernel may hold until they are accepted. The kernel's own
/// limit is lower on most machines.
const BACKLOG: i32 = 4096;

/// Listening sockets on one address, for several threads.
#[derive(Debug)]
pub struct ListeningSocket {
    address: ListenAddress,
    sockets: Vec<Socket>,
    /// True if another process has these sockets too, and continues with them.
    is_shared: bool,
    /// The file of a Unix socket that belongs to this process alone; `None` for none.
    file: Option<SocketFile>,
}

/// The file of a Unix socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl ListeningSocket {
    /// Binds sockets to one address: for TCP one for each thread, among which the kernel
    /// distributes connections, for Unix one for all threads. Port 0 becomes the same free port for
    /// all.
    ///
    /// The file of a Unix socket without a listener is replaced.
    ///
    /// # Errors
    ///
    /// The address is in use, does not belong to this machine, or is not permitted.
    pub fn bind(address: &ListenAddress, threads: usize) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind_tcp(*address, threads),
            ListenAddress::Unix { path, mode } => bind_unix(address, path, *mode),
        }
    }

    /// Takes sockets that already listen on one address and were passed to this process. The
    /// process that passed them continues with them, unless they are [adopted](Self::adopt).
    ///
    /// # Errors
    ///
    /// There are no sockets, or one does not listen, or one is neither TCP nor Unix.
    pub fn inherited(sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let sockets: Vec<_> = sockets.into_iter().map(Socket::from).collect();
        let unfit = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let mut address = None;
        for socket in &sockets {
            let local = socket.local_addr()?;
            let is_stream = socket.r#type()? == Type::STREAM && socket.is_listener()?;
            if !is_stream || !(local.is_unix() || local.as_socket().is_some()) {
                return Err(unfit("it is not a listening stream socket"));
            }
            socket.set_nonblocking(true)?;
            address.get_or_insert(match local.as_socket() {
                Some(address) => {
                    socket.set_tcp_nodelay(true)?;
                    ListenAddress::Tcp(address)
                }
                None => ListenAddress::Unix {
                    path: path(&local),
                    mode: None,
                },
            });
        }
        Ok(Self {
            address: address.ok_or_else(|| unfit("there is no socket"))?,
            sockets,
            is_shared: true,
            file: None,
        })
    }

    /// Duplicates the descriptors, for a process that will continue with the sockets.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let descriptors = self.sockets.iter();
        descriptors
            .map(|socket| Ok(socket.try_clone()?.into()))
            .collect()
    }

    /// Makes the sockets end with this process, because no other process shares them any more.
    pub fn adopt(&mut self) {
        self.is_shared = false;
        if let ListenAddress::Unix { path, .. } = &self.address {
            self.file = SocketFile::at(path).ok();
        }
    }

    /// Leaves the sockets to another process, which has descriptors for them. The file of a Unix
    /// socket then belongs to that process.
    pub fn hand_over(&mut self) {
        self.is_shared = true;
        self.file = None;
    }

    /// The address on which the sockets listen.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Duplicates the descriptor of one socket. Numbers beyond the last start again at the first.
    ///
    /// # Errors
    ///
    /// No descriptor is left, or there is no socket.
    pub(super) fn in_turn(&self, number: usize) -> io::Result<Socket> {
        let one = self.sockets.get(number % self.sockets.len().max(1));
        let one = one.ok_or(io::ErrorKind::NotFound)?;
        one.try_clone()
    }

    /// The number of sockets.
    pub(super) fn count(&self) -> usize {
        self.sockets.len()
    }

    /// True if another process has these sockets too, and continues with them.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Stops listening. New connections are refused, and pending accepts in this process never
    /// return.
    pub(super) fn shut(&self) {
        if let ListenAddress::Unix { .. } = self.address {
            // On Linux, a Unix socket that was shut down stays ready forever, with nothing to
            // accept.
            return self.remove_file();
        }
        for socket in &self.sockets {
            // Some systems do not support this; there the socket ends with its listener.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Applies a setting to each socket.
    pub(super) fn each(&self, set: impl Fn(&SockRef<'_>)) {
        for socket in &self.sockets {
            set(&SockRef::from(socket));
        }
    }

    fn remove_file(&self) {
        let Some(SocketFile { path, inode }) = &self.file else {
            return;
        };
        // Another process may have bound the path meanwhile.
        if fs::symlink_metadata(path).is_ok_and(|file| file.ino() == *inode) {
            let _ = fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr, threads: usize) -> io::Result<ListeningSocket> {
    // Two processes could bind sockets that share a port, and each would receive half of the
    // connections. So one socket is first bound alone, which fails if the port is in use.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let bound = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let bind_one = |_| {
        let socket = socket(bound)?;
        socket.set_reuse_port(true)?;
        // Accepted sockets inherit the option, which saves a system call for each connection.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&bound.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    Ok(ListeningSocket {
        address: bound.into(),
        sockets: (0..threads).map(bind_one).collect::<io::Result<_>>()?,
        is_shared: false,
        file: None,
    })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn bind_unix(
    address: &ListenAddress,
    path: &Path,
    mode: Option<u32>,
) -> io::Result<ListeningSocket> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::at(path)?;
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(ListeningSocket {
        address: address.clone(),
        sockets: vec![socket],
        is_shared: false,
        file: Some(file),
    })
}

/// Returns the path of a Unix socket; `@NAME` for an abstract one, and an empty path for an unnamed
/// one.
fn path(local: &SockAddr) -> PathBuf {
    let name = local.as_abstract_namespace().map(String::from_utf8_lossy);
    match (local.as_pathname(), name) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => format!("@{name}").into(),
        (None, None) => PathBuf::new(),
    }
}

impl SocketFile {
    /// Describes the file that is at this path now.
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            inode: fs::symlink_metadata(path)?.ino(),
        })
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        self.remove_file();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("polysock-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn a_unix_socket_replaces_a_stale_one_and_is_removed_at_the_end() {
        let path = scratch("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let address = ListenAddress::Unix {
            path: path.clone(),
            mode: Some(0o600),
        };
        let socket = ListeningSocket::bind(&address, 2).unwrap();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = ListeningSocket::bind(&address, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_removed() {
        let path = scratch("file");
        fs::write(&path, "mine").unwrap();
        let address = ListenAddress::Unix {
            path: path.clone(),
            mode: None,
        };
        assert!(ListeningSocket::bind(&address, 1).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_inherited_socket_keeps_its_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = ListeningSocket::inherited(vec![listener.into()]).unwrap();
        assert_eq!(*socket.address(), address.into());
        let stream = UnixStream::pair().unwrap().0;
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for unfit in [vec![stream.into()], vec![datagrams.into()], vec![]] {
            assert!(ListeningSocket::inherited(unfit).is_err());
        }
    }

    #[test]
    fn the_inheritor_of_a_unix_socket_removes_its_file() {
        let path = scratch("handed.sock");
        let address = ListenAddress::Unix {
            path: path.clone(),
            mode: None,
        };
        let mut first = ListeningSocket::bind(&address, 1).unwrap();
        let mut second = ListeningSocket::inherited(first.descriptors().unwrap()).unwrap();
        assert_eq!(*second.address(), address);
        drop(ListeningSocket::inherited(first.descriptors().unwrap()));
        assert!(path.exists(), "removed by one that only had it");
        first.hand_over();
        second.adopt();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
        assert!(!path.exists());
    }
}
