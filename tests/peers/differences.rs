//! Known differences between third-party servers and the recorded sessions.

use polysock_test_support::corpus::DIRECTORY;
use polysock_test_support::peers::serve;

use crate::replay;

/// Plays the corpus against a third-party server. The report mentions no session of `alike`, and
/// contains every text of `differing`.
fn differs(server: &str, alike: &[&str], differing: &[&str]) {
    let Some(server) = serve(server) else {
        return;
    };
    let corpus = DIRECTORY;
    let address = server.address.to_string();
    let (is_green, report) = replay(&[corpus, "--to", &address, "--timeout", "2s", "--jobs", "8"]);
    assert!(!is_green, "{report}");
    let differences: Vec<&str> = report
        .lines()
        .filter(|line| line.starts_with(corpus) && line.contains(" (split "))
        .collect();
    for session in alike {
        let found = differences.iter().find(|line| line.contains(session));
        assert_eq!(found, None, "{session}");
    }
    for difference in differing {
        let found = differences.iter().any(|line| line.contains(difference));
        assert!(found, "no `{difference}` in\n{}", differences.join("\n"));
    }
}

#[test]
fn the_corpus_says_where_ws_8_differs() {
    differs(
        "ws",
        &[
            "hybi-10/session-text",
            "rfc6455/session-text",
            "rfc6455/chromium-capture",
        ],
        &[
            "hixie-76/spec.wire:17: status line",
            "rfc6455/bad-no-host.wire:13: status line",
            "rfc6455/breach-length.wire:22: frame 1",
        ],
    );
}

#[test]
fn the_corpus_says_where_websocket_driver_0_7_5_differs() {
    differs(
        "websocket-driver",
        &[
            "hixie-75/session-text",
            "hixie-76/session-text",
            "rfc6455/session-text",
        ],
        &[
            "hixie-76/spec.wire:22: field Sec-WebSocket-Protocol",
            "hybi-10/session-text.wire:14: status line",
            "rfc6455/bad-http10.wire:14: status line",
            "rfc6455/breach-unmasked.wire:21: frame 1",
        ],
    );
}

#[test]
fn the_corpus_says_where_pywebsocket_0_7_9_differs() {
    differs(
        "pywebsocket",
        &[
            "hixie-76/session-text",
            "hybi-10/session-text",
            "rfc6455/session-text",
        ],
        &[
            "hixie-75/session-text.wire:12: status line",
            "hybi-07/session-text.wire:14: status line",
            "rfc6455/bad-smuggled-header.wire:15: status line",
        ],
    );
}
