//! Sockets that listen, before and while they are served.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::address::ListenAddress;

/// How many connections the kernel may hold until they are accepted (its own cap is lower on
/// most machines).
const BACKLOG: i32 = 4096;

/// Sockets that listen on one address, for some threads.
#[derive(Debug)]
pub struct ListeningSocket {
    address: ListenAddress,
    sockets: Vec<Socket>,
    /// Whether another process has them too, and goes on with them.
    is_shared: bool,
    /// The file of a Unix socket that is this process's alone.
    file: Option<SocketFile>,
}

/// The file of a Unix socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl ListeningSocket {
    /// Binds sockets that share an address, one for each of so many threads; the kernel spreads the
    /// connections over them. A port of 0 becomes the same free port for all.
    ///
    /// The file of a Unix socket on which nobody listens any more is replaced.
    ///
    /// # Errors
    ///
    /// The address is in use, not this machine's, or not permitted.
    pub fn bind(address: &ListenAddress, threads: usize) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind_tcp(*address, threads),
            ListenAddress::Unix { path, mode } => bind_unix(address, path, *mode),
        }
    }

    /// Sockets that listen already, all on one address, and were handed to this process. Who has handed
    /// them over goes on with them, unless they are [adopted](Self::adopt).
    ///
    /// # Errors
    ///
    /// There are none, or one does not listen, or is none of TCP and Unix.
    pub fn inherited(sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let sockets: Vec<_> = sockets.into_iter().map(Socket::from).collect();
        let unfit = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let mut address = None;
        for socket in &sockets {
            let local = socket.local_addr()?;
            let is_stream = socket.r#type()? == Type::STREAM && socket.is_listener()?;
            if !is_stream || !(local.is_unix() || local.as_socket().is_some()) {
                return Err(unfit("the socket does not listen for streams"));
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

    /// Other descriptors for them, for a process that is to go on with them.
    ///
    /// # Errors
    ///
    /// There are none left.
    pub fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let descriptors = self.sockets.iter();
        descriptors
            .map(|socket| Ok(socket.try_clone()?.into()))
            .collect()
    }

    /// Has them end with this process, which nobody shares them with any more.
    pub fn adopt(&mut self) {
        self.is_shared = false;
        if let ListenAddress::Unix { path, .. } = &self.address {
            self.file = SocketFile::at(path).ok();
        }
    }

    /// Has another process, which has descriptors for them, go on with them. The file of a Unix socket is
    /// its own then.
    pub fn hand_over(&mut self) {
        self.is_shared = true;
        self.file = None;
    }

    /// Where it listens.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Another descriptor for one of them, in turn.
    ///
    /// # Errors
    ///
    /// There is none left.
    pub(super) fn in_turn(&self, number: usize) -> io::Result<Socket> {
        let one = self.sockets.get(number % self.sockets.len().max(1));
        let one = one.ok_or(io::ErrorKind::NotFound)?;
        one.try_clone()
    }

    /// How many sockets they are.
    pub(super) fn count(&self) -> usize {
        self.sockets.len()
    }

    /// Whether another process has them too, and goes on with them.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Listens no more: who connects is refused, and those who accept here wait for ever.
    pub(super) fn shut(&self) {
        if let ListenAddress::Unix { .. } = self.address {
            // Linux calls a Unix socket ready for ever that was shut, and has nothing to accept.
            return self.remove_file();
        }
        for socket in &self.sockets {
            // It fails where a system does not know how; there the socket ends with its listener.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Sets something for all of them.
    pub(super) fn each(&self, set: impl Fn(&SockRef<'_>)) {
        for socket in &self.sockets {
            set(&SockRef::from(socket));
        }
    }

    fn remove_file(&self) {
        let Some(SocketFile { path, inode }) = &self.file else {
            return;
        };
        // Somebody else may have bound the path meanwhile.
        if fs::symlink_metadata(path).is_ok_and(|file| file.ino() == *inode) {
            let _ = fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr, threads: usize) -> io::Result<ListeningSocket> {
    // Sockets that share a port may be bound by two processes, which would both be lucky half of
    // the time: the first is bound alone, to find out that nobody else is there.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let bound = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let bind_one = |_| {
        let socket = socket(bound)?;
        socket.set_reuse_port(true)?;
        // Accepted sockets inherit it, which saves a call for each connection.
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

/// The path of a Unix socket; `@NAME` where it is none of the file system.
fn path(local: &SockAddr) -> PathBuf {
    let name = local.as_abstract_namespace().map(String::from_utf8_lossy);
    match (local.as_pathname(), name) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => format!("@{name}").into(),
        (None, None) => PathBuf::new(),
    }
}

impl SocketFile {
    /// The file that is there now.
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
    fn a_unix_socket_replaces_one_that_nobody_listens_on_and_is_removed_at_the_end() {
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
    fn what_is_no_socket_is_left_where_it_is() {
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
    fn a_socket_that_was_handed_over_keeps_its_address() {
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
    fn the_file_of_a_unix_socket_goes_with_whom_it_is_handed_to() {
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
