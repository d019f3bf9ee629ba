//! A TLS server in front of a plain server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::PATIENCE;
use crate::authority::{Authority, Identity};

/// The settings of a TLS server.
#[derive(Clone)]
pub struct TlsServer {
    identity: Identity,
    clients: Option<std::path::PathBuf>,
    version: Option<&'static rustls::SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    cut_after: Option<usize>,
    announced: bool,
}

/// A running server. It ends with the process.
pub struct Running {
    /// The address on which the server listens.
    pub address: SocketAddr,
    met: Arc<Mutex<Vec<Met>>>,
    open: Arc<AtomicUsize>,
}

/// The facts that a server knows about a client whose handshake is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// The requested server name (SNI).
    pub name: Option<String>,
    /// The protocol agreed by ALPN.
    pub alpn: Option<String>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// True if an earlier session was resumed.
    pub is_resumed: bool,
    /// True if the client has sent a certificate.
    pub has_certificate: bool,
    /// The line before TLS.
    pub announced: Option<String>,
}

impl TlsServer {
    /// Creates the settings of a server with this certificate.
    pub fn new(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            clients: None,
            version: None,
            alpn: Vec::new(),
            cut_after: None,
            announced: false,
        }
    }

    /// Accepts only clients with a certificate of this authority.
    #[must_use]
    pub fn with_clients_of(self, authority: &Authority) -> Self {
        let clients = Some(authority.file());
        Self { clients, ..self }
    }

    /// Supports only this version.
    #[must_use]
    pub fn with_version(self, version: &'static rustls::SupportedProtocolVersion) -> Self {
        let version = Some(version);
        Self { version, ..self }
    }

    /// Supports these protocols by ALPN.
    #[must_use]
    pub fn with_alpn(self, names: &[&str]) -> Self {
        let alpn = names.iter().map(|name| name.as_bytes().to_vec());
        Self {
            alpn: alpn.collect(),
            ..self
        }
    }

    /// Closes the TCP connection without a close_notify after this many bytes were sent to a
    /// client.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Self {
        let cut_after = Some(bytes);
        Self { cut_after, ..self }
    }

    /// Expects a PROXY header of version 1 before TLS.
    #[must_use]
    pub fn announced(self) -> Self {
        Self {
            announced: true,
            ..self
        }
    }

    /// Runs in front of a plain server, in a thread that ends with the process.
    pub fn before(self, plain: SocketAddr) -> Running {
        let (sender, address) = mpsc::channel();
        let met = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(AtomicUsize::new(0));
        let running = (Arc::clone(&met), Arc::clone(&open));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a free port");
                let local = listener.local_addr().expect("an address");
                sender.send(local).expect("somebody waits for it");
                let acceptor = TlsAcceptor::from(Arc::new(self.config()));
                loop {
                    let (client, _) = listener.accept().await.expect("a client");
                    let (met, open) = (Arc::clone(&met), Arc::clone(&open));
                    let (server, acceptor) = (self.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        open.fetch_add(1, Ordering::SeqCst);
                        // The two ends notice an error themselves.
                        let _ = server.relay(client, &acceptor, plain, &met).await;
                        open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        });
        let (met, open) = running;
        let address = address.recv().expect("it listens");
        Running { address, met, open }
    }

    async fn relay(
        &self,
        mut client: TcpStream,
        acceptor: &TlsAcceptor,
        plain: SocketAddr,
        met: &Mutex<Vec<Met>>,
    ) -> std::io::Result<()> {
        let mut announced = None;
        if self.announced {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(client.read_u8().await?);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            announced = Some(line);
        }
        let mut client = acceptor.accept(client).await?;
        let what = met_in(&client, announced);
        met.lock().expect("nobody has panicked").push(what);
        let mut server = TcpStream::connect(plain).await?;
        let Some(most) = self.cut_after else {
            return copy_bidirectional(&mut client, &mut server).await.map(drop);
        };
        let (mut left, mut buffer) = (most, vec![0; 16 * 1024]);
        let mut up = vec![0; 16 * 1024];
        while left > 0 {
            tokio::select! {
                read = client.read(&mut up) => {
                    server.write_all(&up[..read?]).await?;
                }
                read = server.read(&mut buffer[..left.min(16 * 1024)]) => {
                    let count = read?;
                    client.write_all(&buffer[..count]).await?;
                    client.flush().await?;
                    left = left.saturating_sub(count.max(1));
                }
            }
        }
        // Without a close_notify: only the socket is closed.
        client.get_mut().0.shutdown().await
    }

    fn config(&self) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let versions = self
            .version
            .map_or(rustls::ALL_VERSIONS.to_vec(), |one| vec![one]);
        let config = config.with_protocol_versions(&versions).expect("versions");
        let config = match &self.clients {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                let certificate = CertificateDer::from_pem_file(file).expect("a certificate");
                roots.add(certificate).expect("an authority");
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                config.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
            None => config.with_no_client_auth(),
        };
        let certificate = CertificateDer::from_pem_file(&self.identity.certificate);
        let key = PrivateKeyDer::from_pem_file(&self.identity.key).expect("a key");
        let config = config.with_single_cert(vec![certificate.expect("a certificate")], key);
        let mut config = config.expect("a key of the certificate");
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }
}

fn met_in(client: &TlsStream<TcpStream>, announced: Option<String>) -> Met {
    let (_, session) = client.get_ref();
    let alpn = session.alpn_protocol();
    Met {
        name: session.server_name().map(str::to_owned),
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        },
        is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        has_certificate: session.peer_certificates().is_some(),
        announced,
    }
}

impl Running {
    /// Returns `localhost:PORT`. Most certificates of tests are for this host.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Returns the clients whose handshakes are complete, in order.
    pub fn met(&self) -> Vec<Met> {
        self.met.lock().expect("nobody has panicked").clone()
    }

    /// The same, after waiting for this many clients: a client completes its handshake before its
    /// server does.
    pub fn meets(&self, count: usize) -> Vec<Met> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let met = self.met();
            if met.len() >= count || Instant::now() > deadline {
                return met;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}
