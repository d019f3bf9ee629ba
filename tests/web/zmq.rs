//! Sockets of ZeroMQ, tested by their peers.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use polysock::{Channels, ListenAddress, Message, Publication, Push, Receiving};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::zmq::{ZmqPeer, frame, greeting, ready};
use polysock_web::ZmqSocket;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

const ITEM: &str = r#"J{"channel":"news","formats":{"ws-message":{"content":"hello"}}}"#;

/// A running socket, and its publications.
struct Bound {
    address: ListenAddress,
    published: Receiver<(String, Push)>,
    /// Dropping this closes the socket.
    until: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    _receiving: Receiving,
}

impl Bound {
    fn at(address: &ListenAddress, socket: fn(Channels) -> ZmqSocket) -> io::Result<Self> {
        let channels = Channels::new();
        let (sender, published) = channel();
        let receiving = channels.receive(None, move |channel, publication: &Publication| {
            // A test that has failed no longer receives.
            let _ = sender.send((channel.to_owned(), publication.push.clone()));
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let bound = socket(channels).bind(address)?;
        drop(context);
        let address = bound.address().clone();
        let (until, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = bound.serve() => {}
                    _ = ended => {}
                }
            });
        });
        Ok(Self {
            address,
            published,
            until,
            thread,
            _receiving: receiving,
        })
    }

    fn new(socket: fn(Channels) -> ZmqSocket) -> Self {
        Self::at(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), socket).unwrap()
    }

    fn tcp(&self) -> SocketAddr {
        match &self.address {
            ListenAddress::Tcp(address) => *address,
            ListenAddress::Unix { path, .. } => panic!("{}", path.display()),
        }
    }

    /// Expects this text as the next publication.
    #[track_caller]
    fn publishes(&self, channel: &str, text: &str) {
        let message = Push::Message(Message::text(text.to_owned()));
        let published = self.published.recv_timeout(PATIENCE);
        assert_eq!(published, Ok((channel.to_owned(), message)));
    }

    /// Expects no further publication.
    #[track_caller]
    fn is_silent(&self) {
        let published = self.published.recv_timeout(Duration::from_millis(50));
        assert_eq!(published, Err(RecvTimeoutError::Timeout));
    }
}

fn item(text: &str) -> String {
    ITEM.replace("hello", text)
}

#[test]
fn items_of_a_peer_are_published_and_invalid_ones_skipped() {
    let bound = Bound::new(ZmqSocket::pull);
    let mut peer = ZmqPeer::push(bound.tcp());
    peer.send(&[ITEM]);
    bound.publishes("news", "hello");
    let long = format!("J{}", " ".repeat(1_000_000));
    peer.send(&["Jnope"]);
    peer.send(&[""]);
    peer.send(&[ITEM, ITEM]);
    peer.send(&[ITEM, ITEM, ITEM]);
    peer.send(&[&ITEM[1..]]);
    peer.send(&[long]);
    peer.client().send(b"\x04\x08\x04PING\0\x0ax");
    peer.send(&[item("still there")]);
    bound.publishes("news", "still there");
    peer.client().expect(b"\x04\x06\x04PONGx");
    // An item of the maximum length.
    let padding = " ".repeat(1_000_000 - item("long").len());
    peer.send(&[item("long") + &padding]);
    bound.publishes("news", "long");
    bound.is_silent();
}

#[test]
fn messages_of_a_peer_keep_their_order_however_they_are_cut() {
    let bound = Bound::new(ZmqSocket::pull);
    let mut peer = ZmqPeer::push(bound.tcp());
    let frames: Vec<u8> = (0..500)
        .flat_map(|number| frame(false, item(&number.to_string()).as_bytes()))
        .collect();
    for piece in frames.chunks(997) {
        peer.client().send(piece);
    }
    for number in 0..500 {
        bound.publishes("news", &number.to_string());
    }
}

#[test]
fn a_sub_socket_takes_the_channel_from_the_first_part() {
    let bound = Bound::new(ZmqSocket::sub);
    let mut peer = ZmqPeer::publisher(bound.tcp());
    let item = r#"J{"formats":{"ws-message":{"content":"hello"}}}"#;
    peer.send(&["nobody"]);
    peer.send(&["t\u{fc}r", item]);
    bound.publishes("t\u{fc}r", "hello");
    bound.is_silent();
}

#[test]
fn json_is_published_on_the_channel_that_is_in_a_field_of_it() {
    let bound = Bound::new(|channels| ZmqSocket::pull(channels).topic_field("category"));
    let mut peer = ZmqPeer::push(bound.tcp());
    let entry = r#"{"category":"cats","title":"Hi"}"#;
    peer.send(&[r#"{"title":"lost"}"#]);
    peer.send(&[entry]);
    peer.send(&[ITEM]);
    bound.publishes("cats", entry);
    bound.publishes("news", "hello");
}

#[test]
fn invalid_peers_are_disconnected_and_others_stay() {
    let bound = Bound::new(ZmqSocket::pull);
    let mut peer = ZmqPeer::push(bound.tcp());
    let null = greeting("NULL");
    let after_ready = |bytes: &[u8]| [&null, &*ready("PUSH"), bytes].concat();
    for (what, bytes) in [
        ("a request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "an old version",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\0".to_vec(),
        ),
        ("another mechanism", greeting("CURVE")),
        ("a SUB socket", [&*null, &ready("SUB")].concat()),
        ("a message before READY", [&*null, b"\0\x01x"].concat()),
        ("a frame that is none", after_ready(b"\x80\0")),
        (
            "a huge command",
            after_ready(b"\x06\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ),
    ] {
        let mut client = Client::connect(bound.tcp());
        client.send(bytes);
        client.gone();
        peer.send(&[item(what)]);
        bound.publishes("news", what);
    }
    // Frames that are only announced: their peers disconnect, and no memory was reserved.
    for size in [1_u64 << 39, u64::MAX] {
        let mut huge = ZmqPeer::push(bound.tcp());
        huge.client()
            .send([&b"\x02"[..], &size.to_be_bytes()].concat());
        drop(huge);
        peer.send(&[ITEM]);
        bound.publishes("news", "hello");
    }
    bound.is_silent();
}

#[test]
fn a_unix_socket_is_bound_and_its_file_is_removed_with_it() {
    let path: PathBuf = std::env::temp_dir().join(format!("polysock-zmq-{}", std::process::id()));
    let address = ListenAddress::Unix {
        path: path.clone(),
        mode: Some(0o600),
    };
    let bound = Bound::at(&address, ZmqSocket::pull).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    let sent = [
        greeting("NULL"),
        ready("PUSH"),
        frame(false, ITEM.as_bytes()),
    ];
    io::Write::write_all(&mut stream, &sent.concat()).unwrap();
    bound.publishes("news", "hello");
    drop(bound.until);
    bound.thread.join().unwrap();
    assert!(!path.exists());
}

#[test]
fn an_address_that_is_not_local_or_in_use_is_refused() {
    let kind = |address: SocketAddr| {
        let bound = Bound::at(&ListenAddress::Tcp(address), ZmqSocket::pull);
        bound.err().map(|error| error.kind())
    };
    let anybody = SocketAddr::from(([0, 0, 0, 0], 0));
    assert_eq!(kind(anybody), Some(io::ErrorKind::InvalidInput));
    let bound = Bound::new(ZmqSocket::pull);
    assert_eq!(kind(bound.tcp()), Some(io::ErrorKind::AddrInUse));
}
