//! Signals without a function in the current configuration.

use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const IGNORED: [&str; 4] = ["HUP", "USR1", "USR2", "ALRM"];

fn assert_serves(server: &mut Server, client: &mut Client) {
    for signal in IGNORED {
        server.signal(signal);
        server.log_line(&format!("SIG{signal} is ignored"));
    }
    // The kernel sends SIGPIPE to a process that writes to a closed pipe.
    server.signal("PIPE");
    client.send(frame(0x81, "hi"));
    client.expect(b"\x81\x02hi");
}

#[test]
fn ignored_signals_keep_every_connection() {
    let mut server = POLYSOCK.echo(&[]);
    let mut client = server.websocket();
    assert_serves(&mut server, &mut client);
    client.send(close(1000));
    client.rest();
    server.stop();
}

#[test]
fn ignored_signals_keep_the_connections_of_a_capture() {
    let directory = POLYSOCK.directory("signals");
    let mut server = POLYSOCK.capture(&directory, &[]);
    let mut client = server.websocket();
    assert_serves(&mut server, &mut client);
    client.send(close(1000));
    client.rest();
    server.stop();
}

#[test]
fn ignored_signals_do_not_speed_up_a_shutdown() {
    let mut server = POLYSOCK.echo(&["--close-timeout", "10m", "--shutdown-timeout", "10m"]);
    let mut client = server.websocket();
    server.signal("TERM");
    client.expect(b"\x88\x02\x03\xe9");
    for signal in IGNORED {
        server.signal(signal);
        server.log_line(&format!("SIG{signal} is ignored"));
    }
    client.send(close(1001));
    client.rest();
    let (code, log) = server.ends_within(polysock_test_support::PATIENCE);
    assert_eq!(code, Some(0), "{log}");
}
