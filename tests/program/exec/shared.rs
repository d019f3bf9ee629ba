//! A single process for all clients.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::Connection;
use polysock_test_support::dial::dial;
use tokio::time::timeout;

use super::{processes, wait_for_processes};
use crate::POLYSOCK;

/// A process that answers each line with its process id and the line, and exits on `die`.
const TALKER: &str =
    "exec:sh -c 'while read -r line; do [ \"$line\" = die ] && exit 1; echo \"$$ $line\"; done'";

async fn hear(client: &mut Connection) -> String {
    let heard = timeout(Duration::from_secs(20), client.next()).await;
    let message = heard.unwrap().unwrap().unwrap();
    message.as_text().unwrap().to_owned()
}

#[tokio::test]
async fn all_clients_share_a_process_that_is_restarted() {
    let marker = "SHARED=talker";
    let arguments = [
        "--protocols",
        "all",
        "--exec-shared",
        "--exec-env",
        marker,
        TALKER,
    ];
    let mut server = POLYSOCK.serve(&arguments);
    let mut clients = Vec::new();
    for protocol in ["hixie-76", "hybi-10", "rfc6455"] {
        clients.push(dial(protocol, server.address, &[]).await);
    }
    assert_eq!(processes(marker, server.id()).len(), 1);
    let mut ids = Vec::new();
    for round in ["one", "two"] {
        clients[0].send(round.into()).await.unwrap();
        for client in &mut clients {
            let heard = hear(client).await;
            let (id, line) = heard.split_once(' ').unwrap();
            assert_eq!(line, round);
            ids.push(id.to_owned());
        }
        clients[2].send("die".into()).await.unwrap();
        server.log_line("the shared process");
    }
    let [first, second] = [&ids[0], &ids[3]];
    assert_ne!(first, second, "{ids:?}");
    assert!(ids[..3].iter().all(|id| id == first), "{ids:?}");
    server.stop();
    wait_for_processes(marker, server.id(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_no_other() {
    let server = POLYSOCK.serve(&["--exec-shared", "exec:cat"]);
    let _silent = server.websocket();
    let mut client = dial("rfc6455", server.address, &[]).await;
    let text = "x".repeat(100_000);
    for _ in 0..300 {
        client.send(text.as_str().into()).await.unwrap();
        assert_eq!(hear(&mut client).await.len(), text.len());
    }
    let (_, highest) = server.memory();
    assert!(highest < 64 << 20, "{highest} bytes");
}

#[test]
fn a_shared_process_that_cannot_be_started_is_a_bad_gateway() {
    let server = POLYSOCK.serve(&["--exec-shared", "exec:/nonexistent/program"]);
    for _ in 0..2 {
        server.answers(polysock_test_support::opening::RFC6455, 502);
    }
}
