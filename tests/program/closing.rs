//! How connections end: in every protocol and both roles, what the peer sees on the wire, what the
//! application is told, and what the log says.

use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::{Dial, Event, PROTOCOLS, Protocol, ProtocolError, SessionConfig};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{
    Accept, Close, CloseCode, Closed, Connection, ConnectionError, Gateway, Handshake, Pages,
    Settings, Side,
};
use polysock_test_support::wire_peer::{Seen, WirePeer};
use polysock_test_support::{PATIENCE, gateway};

use crate::POLYSOCK;

/// How long our side waits for the answer to its close, where a row wants it to be over.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// After how much silence our side gives a peer up, where a row wants it to.
const IDLE: Duration = Duration::from_millis(500);

/// What our application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    /// Receives until the end.
    Listens,
    /// As [`Ours::Listens`], while nothing may be heard for [`IDLE`].
    ListensImpatiently,
    /// Closes with 4001 and a reason once a message has come.
    Closes,
    /// Drops the connection once a message has come.
    Drops,
    /// Drops it without having received anything, when there is something.
    DropsUnread,
    /// The same, with much left to send.
    DropsUnreadAndUnsent,
    /// Once a message has come, sends another too late.
    SpeaksLate,
}

/// What the peer does, after a message that says that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    /// Closes with 4002 and a reason.
    Closes,
    /// Waits for our close, and answers it.
    Answers,
    /// Waits for our close, and hangs up.
    HangsUpOnClose,
    /// Waits for our close, and resets the connection.
    ResetsOnClose,
    /// Waits for our close, and says nothing.
    Waits,
    /// Hangs up.
    HangsUp,
    /// Hangs up within a message.
    HangsUpWithin,
    /// Resets the connection.
    Resets,
    /// Closes as [`Theirs::Closes`], and resets the connection.
    ClosesAndResets,
    /// Sends a text that is none, and goes on sending.
    SendsNoText,
    /// Sends a lot.
    Floods,
}

/// The code that a peer sees, out of the one that is sent, or that is told the application, out of
/// the one that the peer sends: `None` where the protocol has none.
fn carried(protocol: &str, code: u16) -> Option<u16> {
    match (protocol, code) {
        ("hybi-06", 3000..) => Some(1000),
        ("hybi-06" | "hybi-07", 1007) => Some(1002),
        ("hybi-06" | "hybi-07" | "hybi-10", 1014) => Some(1001),
        ("hybi-06" | "hybi-07" | "hybi-10" | "rfc6455", code) => Some(code),
        _ => None,
    }
}

/// What an application is told, for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    /// What its stream ended with.
    end: &'static str,
    by: Side,
    /// The code, and the reason where there is one.
    close: Option<(u16, String)>,
    clean: bool,
}

impl Told {
    fn new(end: Option<&ConnectionError>, closed: Option<&Closed>) -> Self {
        let closed = closed.expect("the connection has ended");
        let end = match end {
            None => "end",
            Some(ConnectionError::Aborted) => "aborted",
            Some(ConnectionError::Io(_)) => "io",
            Some(ConnectionError::Protocol(ProtocolError::Utf8)) => "no text",
            Some(ConnectionError::Protocol(ProtocolError::Idle)) => "silent",
            Some(other) => panic!("{other}"),
        };
        let close = closed.close.as_ref();
        Self {
            end,
            by: closed.by,
            close: close.map(|close| (close.code.get(), close.reason.to_string())),
            clean: closed.clean,
        }
    }
}

/// What the peer sees at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wire {
    /// A close, with its code and reason where it has one.
    close: Option<Option<(u16, String)>>,
    last: Seen,
}

/// What becomes of what both do: on the wire, where the peer looks, and for the application, where
/// it is there to be told.
struct Row {
    ours: Ours,
    theirs: Theirs,
    wire: fn(&str) -> Option<Wire>,
    told: fn(&str) -> Option<Told>,
}

/// In protocols without a closing handshake, nothing but the end of the stream.
fn closes(protocol: &str, code: u16, reason: &str) -> Option<Wire> {
    let code = carried(protocol, code).map(|code| (code, reason.to_owned()));
    let close = (protocol != "hixie-75").then_some(code);
    let last = Seen::End;
    Some(Wire { close, last })
}

fn tells(end: &'static str, by: Side, close: Option<(u16, &str)>, clean: bool) -> Option<Told> {
    Some(Told {
        end,
        by,
        close: close.map(|(code, reason)| (code, reason.to_owned())),
        clean,
    })
}

const NOT_UTF_8: &str = "text is not UTF-8";
const SILENT: &str = "nothing was received within the idle timeout";

/// The end of the stream is the regular one where there is no closing handshake.
fn is_bare(protocol: &str) -> bool {
    protocol == "hixie-75"
}

const ROWS: [Row; 14] = [
    Row {
        ours: Ours::Listens,
        theirs: Theirs::Closes,
        // The answer has the code alone (RFC 6455 §5.5.1).
        wire: |protocol| closes(protocol, 4002, ""),
        told: |protocol| {
            let close = carried(protocol, 4002).map(|code| (code, "bye"));
            tells("end", Side::Peer, close, true)
        },
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::Answers,
        wire: |protocol| closes(protocol, 4001, "enough"),
        told: |_| tells("end", Side::Local, Some((4001, "enough")), true),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::HangsUpOnClose,
        wire: |protocol| closes(protocol, 4001, "enough"),
        told: |protocol| {
            let close = Some((4001, "enough"));
            tells("end", Side::Local, close, is_bare(protocol))
        },
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::ResetsOnClose,
        wire: |_| None,
        told: |_| tells("end", Side::Local, Some((4001, "enough")), false),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::Waits,
        wire: |protocol| closes(protocol, 4001, "enough"),
        told: |_| tells("end", Side::Local, Some((4001, "enough")), false),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::HangsUp,
        wire: |_| {
            let (close, last) = (None, Seen::End);
            Some(Wire { close, last })
        },
        told: |protocol| match is_bare(protocol) {
            true => tells("end", Side::Peer, None, true),
            false => tells("aborted", Side::Peer, None, false),
        },
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::HangsUpWithin,
        wire: |_| {
            let (close, last) = (None, Seen::End);
            Some(Wire { close, last })
        },
        told: |_| tells("aborted", Side::Peer, None, false),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::Resets,
        wire: |_| None,
        told: |_| tells("io", Side::Peer, None, false),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::SendsNoText,
        wire: |protocol| closes(protocol, 1007, NOT_UTF_8),
        told: |_| tells("no text", Side::Local, Some((1007, NOT_UTF_8)), false),
    },
    Row {
        ours: Ours::ListensImpatiently,
        theirs: Theirs::Waits,
        wire: |protocol| closes(protocol, 1001, SILENT),
        told: |_| tells("silent", Side::Local, Some((1001, SILENT)), false),
    },
    Row {
        ours: Ours::Drops,
        theirs: Theirs::Answers,
        wire: |protocol| closes(protocol, 1000, ""),
        told: |_| None,
    },
    Row {
        ours: Ours::DropsUnread,
        theirs: Theirs::Floods,
        wire: |protocol| closes(protocol, 1000, ""),
        told: |_| None,
    },
    Row {
        ours: Ours::DropsUnreadAndUnsent,
        theirs: Theirs::Floods,
        wire: |protocol| closes(protocol, 1000, ""),
        told: |_| None,
    },
    Row {
        ours: Ours::SpeaksLate,
        theirs: Theirs::ClosesAndResets,
        wire: |_| None,
        told: |protocol| match is_bare(protocol) {
            true => tells("io", Side::Peer, None, false),
            false => {
                let close = carried(protocol, 4002).map(|code| (code, "bye"));
                tells("end", Side::Peer, close, true)
            }
        },
    },
];

/// Acts, and reports what it is told at the end.
async fn act(ours: Ours, mut connection: Connection, report: Sender<Option<Told>>) {
    if let Ours::DropsUnread | Ours::DropsUnreadAndUnsent = ours {
        if ours == Ours::DropsUnreadAndUnsent {
            let much = "y".repeat(FLOODS * FLOOD.len());
            connection.feed(much.into()).await.unwrap();
        }
        // Time for a flood to fill the buffers on the way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(connection);
        return report.send(None).unwrap();
    }
    connection.next().await.unwrap().unwrap();
    connection.send("here".into()).await.unwrap();
    match ours {
        Ours::Closes => {
            let code = CloseCode::new(4001).unwrap();
            connection.start_close(Some(Close::new(code, "enough")));
        }
        Ours::Drops => {
            drop(connection);
            return report.send(None).unwrap();
        }
        Ours::SpeaksLate => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            connection.feed("late".into()).await.unwrap();
        }
        Ours::Listens | Ours::ListensImpatiently => {}
        Ours::DropsUnread | Ours::DropsUnreadAndUnsent => unreachable!(),
    }
    let end = loop {
        match connection.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    let told = Told::new(end.as_ref(), connection.closed());
    report.send(Some(told)).unwrap();
}

/// Does what the peer does, and looks. Where the connection goes on, it is kept for the caller.
fn meet(
    theirs: Theirs,
    mut peer: WirePeer,
    name: &str,
    is_server: bool,
) -> (Option<Wire>, Option<WirePeer>) {
    let bye = Close::new(CloseCode::new(4002).unwrap(), "bye");
    if theirs == Theirs::Floods {
        for _ in 0..FLOODS {
            assert!(peer.send_text(FLOOD, true), "{name}: our flood was reset");
        }
    } else {
        assert!(peer.send_text(b"there", true));
        assert!(matches!(peer.see(), Seen::Event(Event::Data(_))));
    }
    match theirs {
        Theirs::Closes if is_bare(name) => peer.hang_up(),
        Theirs::Closes => assert!(peer.send(Event::Close(Some(bye)))),
        Theirs::HangsUp => peer.hang_up(),
        Theirs::HangsUpWithin => {
            // The first piece waits for the second in some.
            assert!(peer.send_text(b"un", false) && peer.send_text(b"fini", false));
            peer.hang_up();
        }
        Theirs::ClosesAndResets => {
            assert!(peer.send(Event::Close(Some(bye))));
            peer.reset();
            return (None, None);
        }
        Theirs::Resets => {
            peer.reset();
            return (None, None);
        }
        Theirs::SendsNoText => {
            assert!(peer.send_text(b"\xc3(", true));
            for _ in 0..FLOODS {
                assert!(peer.send_text(FLOOD, true), "{name}: our flood was reset");
            }
        }
        Theirs::Answers
        | Theirs::HangsUpOnClose
        | Theirs::ResetsOnClose
        | Theirs::Waits
        | Theirs::Floods => {}
    }
    let mut seen = peer.see_control();
    let mut close = None;
    if let Seen::Event(Event::Close(frame)) = seen {
        close = Some(frame.map(|frame| (frame.code.get(), frame.reason.to_string())));
        if theirs == Theirs::Answers {
            assert!(peer.send(Event::Close(None)));
        }
        if theirs == Theirs::ResetsOnClose {
            peer.reset();
            return (None, None);
        }
        if is_server && theirs != Theirs::HangsUpOnClose {
            // RFC 6455 §7.1.1: a client waits for the server to hang up, which may be slow.
            let time = match theirs {
                Theirs::Waits => 2 * CLOSE_TIMEOUT,
                _ => Duration::from_millis(50),
            };
            assert!(peer.sees_nothing(time), "{name}: the client hung up");
        }
        if is_server || theirs == Theirs::HangsUpOnClose {
            peer.hang_up();
        }
        seen = peer.see_control();
    }
    let last = seen;
    let wire = Some(Wire { close, last });
    match theirs {
        // Where the end of the stream is all there is.
        Theirs::ResetsOnClose => {
            peer.reset();
            (None, None)
        }
        Theirs::Answers | Theirs::HangsUpOnClose => {
            peer.hang_up();
            (wire, None)
        }
        _ => (wire, Some(peer)),
    }
}

const FLOOD: &[u8] = &[b'x'; 64 * 1024];

/// How often [`FLOOD`] is more than the buffers on the way hold.
const FLOODS: usize = 256;

/// How our side treats connections.
fn session(row: &Row) -> SessionConfig {
    let close_timeout = match row.theirs {
        Theirs::Waits => CLOSE_TIMEOUT,
        _ => PATIENCE,
    };
    SessionConfig {
        close_timeout,
        idle_timeout: (row.ours == Ours::ListensImpatiently).then_some(IDLE),
        ..SessionConfig::default()
    }
}

/// A gateway that acts, and what it reports.
fn acting_gateway(row: &Row) -> (SocketAddr, Receiver<Option<Told>>) {
    let ours = row.ours;
    let (report, reports) = mpsc::channel();
    let report = Mutex::new(report);
    let application = move |handshake: Handshake| {
        let report = report.lock().unwrap().clone();
        async move {
            let connection = handshake.accept(Accept::default()).await?;
            act(ours, connection, report).await;
            Ok(())
        }
    };
    let session = session(row);
    let settings = Settings {
        protocols: PROTOCOLS.to_vec(),
        close_timeout: session.close_timeout,
        idle_timeout: session.idle_timeout,
        ping_interval: None,
        ..Settings::default()
    };
    let gateway = Gateway::with_settings(application, settings, Pages::default());
    (gateway::serve(gateway), reports)
}

/// A client that acts, and what it reports.
fn acting_client(row: &Row, protocol: &str, address: SocketAddr) -> Receiver<Option<Told>> {
    let ours = row.ours;
    let (report, reports) = mpsc::channel();
    let settings = UpstreamSettings {
        session: session(row),
        ..UpstreamSettings::default()
    };
    let upstream = WebSocketUpstream::parse(protocol, &address.to_string(), settings).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let connection = upstream.dial(Dial::default()).await.unwrap();
            act(ours, connection, report).await;
            // What is left to say is said in the background.
            tokio::time::sleep(PATIENCE).await;
        });
    });
    reports
}

/// What a row says, and what came of it.
fn check(
    row: &Row,
    role: &str,
    name: &str,
    wire: Option<Wire>,
    reports: &Receiver<Option<Told>>,
) -> Option<String> {
    let got = (wire, reports.recv_timeout(PATIENCE).expect("a report"));
    let expected = ((row.wire)(name), (row.told)(name));
    let (ours, theirs) = (row.ours, row.theirs);
    (got != expected).then(|| {
        format!("{role} in {name}, {ours:?}, {theirs:?}:\n  {got:?}\n  not {expected:?}\n")
    })
}

/// Looks at every row of a table, each in a thread, and fails with what differs in any.
fn assert_all<T: Sync>(table: &[T], differences: impl Fn(&T) -> Vec<String> + Sync) {
    let differences = &differences;
    let all: Vec<String> = thread::scope(|scope| {
        let rows = table
            .iter()
            .map(|row| scope.spawn(move || differences(row)));
        let rows: Vec<_> = rows.collect();
        let differing = rows.into_iter().flat_map(|row| row.join().unwrap());
        differing.collect()
    });
    assert!(all.is_empty(), "\n{}", all.concat());
}

#[test]
fn a_server_ends_as_its_peer_and_its_application_are_told() {
    assert_all(&ROWS, |row| {
        let (address, reports) = acting_gateway(row);
        let meet = |protocol: &&'static dyn Protocol| {
            let peer = WirePeer::dial(*protocol, address);
            let (wire, _peer) = meet(row.theirs, peer, protocol.name(), false);
            check(row, "server", protocol.name(), wire, &reports)
        };
        PROTOCOLS.iter().filter_map(meet).collect()
    });
}

#[test]
fn a_client_ends_as_its_peer_and_its_application_are_told() {
    assert_all(&ROWS, |row| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let meet = |protocol: &&'static dyn Protocol| {
            let reports = acting_client(row, protocol.name(), address);
            let (stream, _) = listener.accept().unwrap();
            let peer = WirePeer::accept(*protocol, stream);
            let (wire, _peer) = meet(row.theirs, peer, protocol.name(), true);
            check(row, "client", protocol.name(), wire, &reports)
        };
        PROTOCOLS.iter().filter_map(meet).collect()
    });
}

#[test]
fn the_log_says_of_a_close_what_the_application_is_told() {
    assert_all(&ROWS, |row| {
        let arguments: &[&str] = match row.ours {
            Ours::Listens => &[],
            Ours::ListensImpatiently => &["--idle-timeout", "500ms"],
            _ => return Vec::new(),
        };
        let mut server = POLYSOCK.echo(arguments);
        let mut differences = Vec::new();
        for protocol in PROTOCOLS {
            let name = protocol.name();
            let peer = WirePeer::dial(*protocol, server.address);
            let (_, _peer) = meet(row.theirs, peer, name, false);
            let line = server.log_line(" close ");
            let expected = logged(&(row.told)(name).unwrap());
            if !line.ends_with(&expected) {
                differences.push(format!("{name}: {line}\n  not {expected}\n"));
            }
        }
        differences
    });
}

/// The end of the line in the log.
fn logged(told: &Told) -> String {
    // RFC 6455 §7.1.5.
    let code = match &told.close {
        Some((code, _)) => *code,
        None if told.clean => 1005,
        None => 1006,
    };
    let reason = told.close.as_ref().map(|(_, reason)| reason);
    let reason = reason.map_or_else(String::new, |reason| format!(" reason={reason:?}"));
    let by = match told.by {
        Side::Local => "server",
        Side::Peer => "client",
    };
    format!(" code={code}{reason} by={by:?} clean={}", told.clean)
}

/// What the one side of a relay sees after the other has ended.
fn across(from: &str, ended: Theirs, to: &str, is_client: bool) -> Wire {
    let (code, reason) = match (ended, is_client) {
        // The end of the stream is as good as a normal close.
        _ if is_bare(from) => (Some(1000), ""),
        (Theirs::Closes, _) => (carried(from, 4002), "bye"),
        // What has no code of its own: 1006 and 1015 are never on the wire.
        (_, true) => (Some(1001), ""),
        (_, false) => (Some(1014), ""),
    };
    let last = Seen::End;
    match code {
        Some(code) => closes(to, code, reason).unwrap(),
        None => {
            let close = (!is_bare(to)).then_some(None);
            Wire { close, last }
        }
    }
}

#[test]
fn a_relay_tells_the_other_side_how_the_one_has_ended() {
    assert_all(PROTOCOLS, |behind| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = behind.name().replace('-', "");
        let url = format!("ws+{scheme}://{address}");
        let gateway = POLYSOCK.serve(&["--protocols", "all", &url]);
        let mut differences = Vec::new();
        for before in PROTOCOLS {
            for (theirs, by_client) in [
                (Theirs::Closes, true),
                (Theirs::Closes, false),
                (Theirs::HangsUp, true),
                (Theirs::HangsUp, false),
            ] {
                let (client, upstream) = thread::scope(|scope| {
                    let accept = || WirePeer::accept(*behind, listener.accept().unwrap().0);
                    let upstream = scope.spawn(accept);
                    let client = WirePeer::dial(*before, gateway.address);
                    (client, upstream.join().unwrap())
                });
                let (mut ends, from, mut sees, to) = if by_client {
                    (client, before.name(), upstream, behind.name())
                } else {
                    (upstream, behind.name(), client, before.name())
                };
                end(theirs, &mut ends, from);
                let got = see_end(&mut sees);
                let expected = across(from, theirs, to, by_client);
                if got != expected {
                    differences.push(format!(
                        "{from} {theirs:?}, {to} sees:\n  {got:?}\n  not {expected:?}\n"
                    ));
                }
            }
        }
        differences
    });
}

/// Ends one side of a relay.
fn end(theirs: Theirs, peer: &mut WirePeer, name: &str) {
    if theirs == Theirs::HangsUp || is_bare(name) {
        return peer.hang_up();
    }
    let bye = Close::new(CloseCode::new(4002).unwrap(), "bye");
    assert!(peer.send(Event::Close(Some(bye))));
}

/// What the other sees, which hangs up once it has.
fn see_end(peer: &mut WirePeer) -> Wire {
    let mut seen = peer.see();
    let mut close = None;
    if let Seen::Event(Event::Close(frame)) = seen {
        close = Some(frame.map(|frame| (frame.code.get(), frame.reason.to_string())));
        peer.hang_up();
        seen = peer.see();
    }
    let last = seen;
    Wire { close, last }
}
