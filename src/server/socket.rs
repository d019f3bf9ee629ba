//! Sockets that listen, before and while they are served.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::address::ListenAddress;

/// How many connections the kernel may hold until they are accepted (its own cap is lower on
/// most machines).
const BACKLOG: i32 = 4096;

/// Sockets that listen on one address, for some threads.
#[derive(Debug)]
pub struct ListeningSocket {
    address: ListenAddress,
    sockets: Vec<Socket>,
    /// Whether somebody else has made it, and may hand it to others.
    is_inherited: bool,
    /// The file of a Unix socket that was made here.
    _file: Option<SocketFile>,
}

/// The file of a Unix socket, removed when this is dropped.
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

    /// A socket that listens already, and was handed to this process.
    ///
    /// # Errors
    ///
    /// It does not listen, or is none of TCP and Unix.
    pub fn inherited(socket: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(socket);
        if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket that was handed over does not listen for streams",
            ));
        }
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let path = local.as_pathname().map(Path::to_owned);
        let address = match (local.as_socket(), path) {
            (Some(address), _) => ListenAddress::Tcp(address),
            (None, path) => ListenAddress::Unix {
                path: path.unwrap_or_default(),
                mode: None,
            },
        };
        Ok(Self {
            address,
            sockets: vec![socket],
            is_inherited: true,
            _file: None,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Another descriptor for the socket of a thread.
    ///
    /// # Errors
    ///
    /// There is none left.
    pub(super) fn of_thread(&self, number: usize) -> io::Result<Socket> {
        let one = self.sockets.get(number % self.sockets.len().max(1));
        let one = one.ok_or(io::ErrorKind::NotFound)?;
        one.try_clone()
    }

    /// Listens no more: who connects is refused, and those who accept here wait for ever. An inherited
    /// socket is left to whoever else has it.
    pub(super) fn shut(&self) {
        if self.is_inherited {
            return;
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
        is_inherited: false,
        _file: None,
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
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: fs::symlink_metadata(path)?.ino(),
    };
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(ListeningSocket {
        address: address.clone(),
        sockets: vec![socket],
        is_inherited: false,
        _file: Some(file),
    })
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have bound the path meanwhile.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
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
    fn a_socket_that_was_handed_over_keeps_its_address_and_listens_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = listener.try_clone().unwrap();
        let socket = ListeningSocket::inherited(listener.into()).unwrap();
        assert_eq!(*socket.address(), address.into());
        socket.shut();
        drop(socket);
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert!(other.accept().is_ok());
        let stream = UnixStream::pair().unwrap().0;
        assert!(ListeningSocket::inherited(stream.into()).is_err());
    }
}
