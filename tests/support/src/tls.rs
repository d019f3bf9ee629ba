//! A client of raw bytes over TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version,
};

use crate::PATIENCE;
use crate::authority::{Authority, Identity};

/// TLS 1.2 alone.
pub static TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];

/// TLS 1.3 alone.
pub static TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// The settings of a client that trusts an authority.
#[derive(Clone)]
pub struct Trusting {
    authority: CertificateDer<'static>,
    /// The versions that the client supports.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// The protocols that the client offers by ALPN.
    pub alpn: &'static [&'static [u8]],
    /// The certificate of the client; `None` if it has none.
    identity: Option<Identity>,
}

impl Authority {
    /// Returns the settings of a client that trusts this authority.
    pub fn client(&self) -> Trusting {
        Trusting {
            authority: self.der(),
            versions: ALL_VERSIONS,
            alpn: &[],
            identity: None,
        }
    }
}

impl Trusting {
    /// Adds a client certificate.
    #[must_use]
    pub fn with(self, identity: &Identity) -> Self {
        Self {
            identity: Some(identity.clone()),
            ..self
        }
    }

    /// Returns the configuration for rustls. Clients that share it can resume sessions.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder
            .with_protocol_versions(self.versions)
            .expect("versions");
        let builder = builder.with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain(), identity.key_der())
                .expect("a pair"),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Connects, and performs the handshake for a host.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub fn connect(&self, address: SocketAddr, host: &str) -> io::Result<TlsClient> {
        TlsClient::connect(self.config(), address, host)
    }
}

/// A client of raw bytes over TLS.
pub struct TlsClient {
    connection: ClientConnection,
    stream: TcpStream,
}

impl TlsClient {
    /// Connects, and performs the handshake for a host.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub fn connect(config: Arc<ClientConfig>, address: SocketAddr, host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        Self::over(stream, config, host)
    }

    /// The same over an open connection.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub fn over(mut stream: TcpStream, config: Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut connection = ClientConnection::new(config, host).map_err(io::Error::other)?;
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Self { connection, stream })
    }

    /// Returns the TLS connection, with the negotiated values.
    pub fn connection(&self) -> &ClientConnection {
        &self.connection
    }

    /// Returns the TCP socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes, in as few records as possible.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut stream = rustls::Stream::new(&mut self.connection, &mut self.stream);
        stream.write_all(bytes.as_ref()).expect("room");
        stream.flush().expect("room");
    }

    /// Sends a close_notify.
    pub fn finish(&mut self) {
        self.connection.send_close_notify();
        self.connection.complete_io(&mut self.stream).expect("room");
    }

    /// Reads available bytes, as far as there is room.
    ///
    /// # Errors
    ///
    /// The other side fails, or disconnects without a close_notify.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut self.connection, &mut self.stream).read(into)
    }

    /// Reads exactly these bytes.
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut read = vec![0; expected.len()];
        self.fill(&mut read);
        assert_eq!(read, expected);
    }

    /// Reads a message of protocol version 7 or later, in any number of frames.
    pub fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let [first, len] = self.array();
            let len = match len {
                126 => u64::from(u16::from_be_bytes(self.array())),
                127 => u64::from_be_bytes(self.array()),
                len => u64::from(len),
            };
            let so_far = message.len();
            message.resize(so_far + usize::try_from(len).expect("a length"), 0);
            self.fill(&mut message[so_far..]);
            if first & 0x80 != 0 {
                return message;
            }
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        rustls::Stream::new(&mut self.connection, &mut self.stream)
            .read_exact(bytes)
            .expect("as much as that");
    }

    /// Reads a head up to its blank line.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(self.read(&mut byte).expect("a head"), 1, "{head:?}");
            head.extend(byte);
        }
        String::from_utf8(head).expect("text")
    }

    /// Reads until the other side's close_notify.
    ///
    /// # Errors
    ///
    /// The connection fails, or the other side disconnects without a close_notify.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        rustls::Stream::new(&mut self.connection, &mut self.stream).read_to_end(&mut rest)?;
        Ok(rest)
    }
}
