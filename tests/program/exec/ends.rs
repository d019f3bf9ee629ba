//! The ends of processes: no process is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::opening::{RFC6455, field};
use socket2::SockRef;

use super::{processes, wait_for_processes};
use crate::POLYSOCK;

/// A process that ignores the end of its input and SIGTERM, as does its child.
const STUBBORN: &str =
    "exec:sh -c 'trap \"\" TERM; sleep 600 & echo up; while :; do sleep 0.05; done'";

/// A process that ends with its input. Its child does not.
const ORDERLY: &str = "exec:sh -c 'sleep 600 & echo up; cat'";

#[test]
fn a_process_and_its_group_end_with_its_client() {
    for (command, marker) in [(STUBBORN, "END=stubborn"), (ORDERLY, "END=orderly")] {
        let mut server = POLYSOCK.serve(&["--exec-grace", "200ms", "--exec-env", marker, command]);
        let mut client = server.websocket();
        client.expect(unmasked(0x81, "up"));
        // A process that is starting has no environment for a moment.
        let begun = Instant::now();
        while processes(marker, server.id()).len() < 2 {
            assert!(begun.elapsed() < PATIENCE, "{command}");
            thread::sleep(Duration::from_millis(20));
        }
        client.send(close(1000));
        wait_for_processes(marker, server.id(), 0);
        server.stop();
    }
}

#[test]
fn the_number_of_processes_is_limited() {
    let marker = "END=places";
    let arguments = ["--exec-max-processes", "2", "--exec-env", marker, ORDERLY];
    let server = POLYSOCK.serve(&arguments);
    for _ in 0..3 {
        let mut clients = [server.websocket(), server.websocket()];
        for client in &mut clients {
            client.expect(unmasked(0x81, "up"));
        }
        let (_, head) = server.answers(RFC6455, 503);
        assert!(field(&head, "Retry-After").is_some(), "{head}");
        drop(clients);
        wait_for_processes(marker, server.id(), 0);
    }
}

#[test]
fn a_shutdown_ends_all_processes_within_its_deadline() {
    for (command, flags, signals, bound) in [
        (ORDERLY, &["--shutdown-timeout", "10s"][..], 1, 8),
        (
            STUBBORN,
            &["--shutdown-timeout", "1s", "--exec-grace", "600s"],
            1,
            8,
        ),
        (
            STUBBORN,
            &["--shutdown-timeout", "600s", "--exec-grace", "600s"],
            2,
            8,
        ),
    ] {
        let marker = "END=shutdown";
        let arguments = [flags, &["--exec-env", marker, command]].concat();
        let mut server = POLYSOCK.serve(&arguments);
        let mut client = server.websocket();
        client.expect(unmasked(0x81, "up"));
        let began = Instant::now();
        server.signal("TERM");
        if signals == 2 {
            server.log_line("closing connections");
            server.signal("TERM");
        }
        let (_, log) = server.ends_within(PATIENCE);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(bound), "{took:?}: {log}");
        // The server has reaped its own children. Their children are reaped by init.
        wait_for_processes(marker, server.id(), 0);
    }
}

#[test]
fn a_process_whose_gateway_is_killed_ends_with_its_input() {
    let marker = "END=killed";
    let mut server = POLYSOCK.serve(&["--exec-env", marker, "exec:cat"]);
    let mut client = server.websocket();
    client.send(frame(0x81, "x"));
    client.expect(unmasked(0x81, "x"));
    let id = server.id();
    server.signal("KILL");
    server.ends_within(PATIENCE);
    wait_for_processes(marker, id, 0);
}

/// A generator of pseudo-random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Connects, and disconnects at a random point in a random way.
fn die(address: std::net::SocketAddr, random: &mut Random) -> Option<()> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    if random.below(3) == 0 {
        // Closes with a reset.
        let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        linger.ok()?;
    }
    let point = random.below(8);
    let head = RFC6455.as_bytes();
    if point == 0 {
        let some = usize::try_from(random.below(head.len() as u64)).ok()?;
        return stream.write_all(head.get(..some)?).ok();
    }
    stream.write_all(head).ok()?;
    if point == 1 {
        return Some(());
    }
    let mut received = vec![0; 512];
    if point > 2 {
        let _count = stream.read(&mut received).ok()?;
    }
    stream.write_all(&frame(0x81, "hello")).ok()?;
    match point {
        3 => stream
            .write_all(&frame(0x81, vec![b'x'; 10_000])[..5000])
            .ok()?,
        4 => thread::sleep(Duration::from_millis(random.below(30))),
        5 => stream.write_all(&close(1000)).ok()?,
        6 => stream.shutdown(std::net::Shutdown::Write).ok()?,
        _ => {}
    }
    if point > 4 {
        let _count = stream.read(&mut received).ok()?;
    }
    Some(())
}

#[test]
fn no_process_remains_after_a_thousand_clients_die_at_random_points() {
    const CLIENTS: u64 = 1000;
    let marker = "END=thousand";
    let mut server = POLYSOCK.serve(&["--exec-grace", "1s", "--exec-env", marker, ORDERLY]);
    let left = AtomicU64::new(CLIENTS);
    thread::scope(|scope| {
        for seed in 1..=12_u64 {
            let (left, address) = (&left, server.address);
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let next = |left: u64| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
                    .is_ok()
                {
                    // A client whose connection was closed first counts too.
                    let _ = die(address, &mut random);
                }
            });
        }
    });
    wait_for_processes(marker, server.id(), 0);
    // The server still serves.
    let mut client = server.websocket();
    client.expect(unmasked(0x81, "up"));
    client.send(close(1000));
    wait_for_processes(marker, server.id(), 0);
    server.stop();
}
