//! `explain` shows the exact answer that a server sends. For each client of the corpus, its first
//! bytes are sent to a gateway with the same settings.

use std::fs;

use polysock::protocols::{FirstBytes, PROTOCOLS};
use polysock::{Accept, BoxError, Connection, Handshake, Origins, Peer};
use polysock_instrument::{Explanation, Input, Outcome, ServerSettings};
use polysock_test_support::{PATIENCE, corpus};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// The size of the buffers: larger than the first bytes of any client of the corpus.
const ROOM: usize = 1 << 20;

/// The outcome of serving a client.
#[derive(Debug)]
struct Served {
    answer: Vec<u8>,
    /// The protocol of the connection that the application received; `None` without a connection.
    protocol: Option<&'static str>,
}

/// Serves a client that sends these bytes and then closes its direction.
async fn serve(client: &[u8], settings: &ServerSettings) -> Served {
    let (keep, mut kept) = unbounded_channel();
    let accept = move |handshake: Handshake| accept(handshake, keep.clone());
    let gateway = settings.clone().gateway(accept);
    let (mut ours, theirs) = duplex(ROOM);
    ours.write_all(client).await.unwrap();
    ours.shutdown().await.unwrap();
    let serving =
        tokio::spawn(async move { gateway.serve_connection(theirs, Peer::default()).await });
    // `None` if the gateway refused the client.
    let connection = timeout(PATIENCE, kept.recv()).await.unwrap();
    let mut answer = Vec::with_capacity(ROOM);
    // While the connection is kept, one read returns all that was written.
    let read = async {
        match &connection {
            Some(_) => ours.read_buf(&mut answer).await,
            None => ours.read_to_end(&mut answer).await,
        }
    };
    timeout(PATIENCE, read).await.unwrap().unwrap();
    let protocol = connection.map(|connection| connection.protocol());
    drop(ours);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    Served { answer, protocol }
}

/// Returns the first answer to a client that keeps its direction open.
async fn page(client: &[u8], settings: &ServerSettings) -> Served {
    let accept = |handshake: Handshake| accept(handshake, unbounded_channel().0);
    let gateway = settings.clone().gateway(accept);
    let (mut ours, theirs) = duplex(ROOM);
    ours.write_all(client).await.unwrap();
    let serving =
        tokio::spawn(async move { gateway.serve_connection(theirs, Peer::default()).await });
    let mut answer = Vec::with_capacity(ROOM);
    timeout(PATIENCE, ours.read_buf(&mut answer))
        .await
        .unwrap()
        .unwrap();
    drop(ours);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    Served {
        answer,
        protocol: None,
    }
}

/// Accepts with the first offered subprotocol, and passes the open connection to the test.
async fn accept(handshake: Handshake, keep: UnboundedSender<Connection>) -> Result<(), BoxError> {
    let accept = Accept::first_offered(handshake.request());
    let connection = handshake.accept(accept).await?;
    // The test waits for it.
    let _ = keep.send(connection);
    Ok(())
}

/// Settings of all kinds. The gateways use the same fixed nonces as explanations.
fn settings() -> Vec<(&'static str, ServerSettings)> {
    let default = ServerSettings::default();
    let mut everything = default.clone();
    everything.port.protocols = PROTOCOLS.to_vec();
    everything.port.flash_policy = true;
    let mut listed = everything.clone();
    listed.site.origins = Origins::Listed(vec!["http://example.com".parse().unwrap()]);
    let mut secure = everything.clone();
    secure.port.secure = true;
    let mut chosen = everything.clone();
    chosen.site.subprotocols = vec!["superchat".into(), "chat".into()];
    vec![
        ("default", default),
        ("everything", everything),
        ("origins", listed),
        ("secure", secure),
        ("subprotocols", chosen),
        ("replayable", ServerSettings::replayable(false)),
    ]
}

#[tokio::test]
async fn explain_shows_the_answer_that_the_server_sends() {
    let mut count = 0;
    let mut differences = Vec::new();
    for path in corpus::files() {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        // A transcript that plays a server has no client.
        let Ok(inputs) = Input::read(&name, text.as_bytes()) else {
            continue;
        };
        for Input { client, .. } in inputs {
            // HTTP/2 has a request on each stream, and is not explained.
            if FirstBytes::of(&client) == FirstBytes::Http2 {
                continue;
            }
            for (set, settings) in settings() {
                let explained = Explanation::of(&client, &settings);
                let served = if is_page(&explained) {
                    page(&client, &settings).await
                } else {
                    serve(&client, &settings).await
                };
                count += 1;
                if let Some(difference) = difference(&explained, &served) {
                    differences.push(format!("{name}, {set}: {difference}"));
                }
            }
        }
    }
    assert!(count > 1000, "{count}");
    let some: Vec<String> = differences.iter().take(10).cloned().collect();
    assert!(
        differences.is_empty(),
        "{} of {count} differ:\n{}",
        differences.len(),
        some.join("\n")
    );
}

fn difference(explained: &Explanation, served: &Served) -> Option<String> {
    let answer = served.answer.escape_ascii();
    let shown = explained.answer.escape_ascii();
    let status = status(&served.answer);
    let agrees = match &explained.verdict {
        Outcome::Accepted {
            protocol: "flash-policy",
            ..
        } => status.is_none() && served.protocol.is_none(),
        Outcome::Accepted {
            waits_for: Some(_), ..
        } => status == Some(101) && served.protocol.is_none(),
        Outcome::Accepted { protocol, .. } => served.protocol == Some(*protocol),
        Outcome::Refused {
            status: expected, ..
        } => status == *expected && served.protocol.is_none(),
        Outcome::NotUnderstood(_) => served.answer.is_empty(),
    };
    if !agrees {
        return Some(format!("{:?}\n  {served:?}", explained.verdict));
    }
    // For an ordinary page, only the status is compared.
    let is_shown = is_page(explained) || explained.answer == served.answer;
    (!is_shown).then(|| format!("\n  shown {shown}\n  sent  {answer}"))
}

/// True if the answer is an ordinary page, which an explanation does not show.
fn is_page(explained: &Explanation) -> bool {
    let has_status = matches!(
        explained.verdict,
        Outcome::Refused {
            status: Some(_),
            ..
        }
    );
    has_status && explained.answer.is_empty()
}

fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}
