//! Notifications to systemd, received on a socket of the test.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// Receives the next datagram, line by line.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let len = manager.recv(&mut buffer).unwrap();
    let text = std::str::from_utf8(&buffer[..len]).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Receives the next datagram that is not for the watchdog.
fn told_but_for_the_watchdog(manager: &UnixDatagram) -> Vec<String> {
    loop {
        let told = told(manager);
        if told != ["WATCHDOG=1"] {
            return told;
        }
    }
}

fn serve(directory: &Path, socket: &str, variables: &[(&str, &str)]) -> Server {
    let file = directory.join("polysock.toml");
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\ntarget = \"app:echo\"\n";
    fs::write(&file, text).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&file);
    command
        .env("NOTIFY_SOCKET", socket)
        .env_remove("WATCHDOG_PID");
    command.envs(variables.iter().copied());
    let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
    server.unwrap_or_else(|end| panic!("{end:?}"))
}

#[test]
fn the_manager_is_notified_of_start_reload_and_shutdown() {
    let directory = POLYSOCK.directory("service-manager");
    let path = directory.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = serve(&directory, path.to_str().unwrap(), &[]);
    let status = format!("STATUS=serving 1 route on {}", server.address);
    assert_eq!(told(&manager), ["READY=1", &status]);
    for text in ["[[route]]\ntarget = \"app:chat\"\n", "no TOML"] {
        let before = monotonic();
        let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        fs::write(directory.join("polysock.toml"), [listener, text].concat()).unwrap();
        server.signal("HUP");
        let reloading = told(&manager);
        let [what, when, _] = &reloading[..] else {
            panic!("{reloading:?}");
        };
        assert_eq!(what, "RELOADING=1");
        let when: u64 = when
            .strip_prefix("MONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!((before..=monotonic()).contains(&when), "{before} {when}");
        assert_eq!(told(&manager), ["READY=1", &status]);
    }
    server.signal("TERM");
    assert_eq!(told(&manager), ["STOPPING=1", "STATUS=closing connections"]);
    assert_eq!(server.ends_within(PATIENCE).0, Some(0));
}

/// Returns the monotonic clock in microseconds.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap() / 1000
}

#[test]
fn the_watchdog_is_notified_periodically() {
    let directory = POLYSOCK.directory("service-watchdog");
    let name = format!("polysock-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let time = [("WATCHDOG_USEC", "100000")];
    let mut server = serve(&directory, &format!("@{name}"), &time);
    assert_eq!(told(&manager)[0], "READY=1");
    for _ in 0..5 {
        assert_eq!(told(&manager), ["WATCHDOG=1"]);
    }
    // Reloads and the shutdown work between the ticks.
    server.signal("HUP");
    assert_eq!(told_but_for_the_watchdog(&manager)[0], "RELOADING=1");
    assert_eq!(told_but_for_the_watchdog(&manager)[0], "READY=1");
    server.signal("TERM");
    assert_eq!(told_but_for_the_watchdog(&manager)[0], "STOPPING=1");
    assert_eq!(server.ends_within(PATIENCE).0, Some(0));
}

#[test]
fn an_unreachable_service_manager_is_logged() {
    let directory = POLYSOCK.directory("service-none");
    let mut server = serve(&directory, "/nowhere/at-all", &[]);
    let line = server.log_line("NOTIFY_SOCKET");
    assert!(line.contains("/nowhere/at-all"), "{line}");
    server.websocket();
    server.stop();
}
