//! A conversation that contains an opening handshake, and its transcript.

use std::time::Duration;

use bytes::Bytes;
use polysock_protocols::{FirstBytes, Rejection, SecretKind, Secrets, find_protocol};

use super::date::date;
use super::dry_run::DryRun;
use super::event::{Event, events};
use super::event_result::EventResult;
use super::header::header;
use super::recorded_server::RecordedServer;
use super::steps::{add_wildcards, steps};
use crate::head;
use crate::locate;
use crate::pcap::{Conversation, Note, Peer};
use crate::transcript::{AppKind, Header, Step, Transcript};

/// The largest part of a conversation that is kept, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// The events from the opening handshake on.
#[derive(Debug)]
pub(super) struct Exchange {
    events: Vec<Event>,
    began: Duration,
    /// The bytes of the client. `server` contains those of the server.
    client: Vec<u8>,
    server: Vec<u8>,
    notes: Vec<String>,
}

/// The output of a dry run of Polysock.
#[derive(Debug)]
struct Played {
    app: AppKind,
    protocol: Option<&'static str>,
    /// The results, one for each event.
    results: Vec<EventResult>,
    said: Vec<u8>,
}

impl Exchange {
    /// Finds the exchange in a conversation.
    ///
    /// # Errors
    ///
    /// The reason for which there is none.
    pub(super) fn of(conversation: &Conversation, keep_secrets: bool) -> Result<Self, String> {
        let client = conversation.bytes_from(Peer::Client);
        let no = |reason: &str| Err(reason.to_owned());
        let not_found = |reason: &str| Err(because_of_loss(reason, conversation));
        match FirstBytes::of(&client) {
            FirstBytes::FlashPolicy => return no("a Flash policy request"),
            FirstBytes::Tls => return no("TLS"),
            FirstBytes::Http2 => return no("HTTP/2"),
            _ if client.is_empty() => return not_found("no bytes of the client"),
            FirstBytes::Unknown | FirstBytes::TooFew | FirstBytes::Http1 => {}
        }
        let Some(begin) = locate::handshake(&client) else {
            return not_found("no opening handshake");
        };
        let exchange = Self::new(conversation, Some(begin), keep_secrets);
        if head::parse(&exchange.server).is_none() {
            return not_found("no answer was captured");
        }
        Ok(exchange)
    }

    /// Returns the reason for a missing transcript if only a part of the answer was captured.
    pub(super) fn no_answer(conversation: &Conversation) -> String {
        because_of_loss("the answer was captured only in part", conversation)
    }

    /// Takes a whole conversation of any kind. `None` if the client sent nothing.
    pub(super) fn all_of(conversation: &Conversation, keep_secrets: bool) -> Option<Self> {
        let mut exchange = Self::new(conversation, None, keep_secrets);
        let is_cut = |note: &Note| matches!(note, Note::Longer(_));
        if conversation.notes.iter().any(is_cut) {
            // The answer to the last bytes of the client is missing.
            let mut events = exchange.events.iter();
            let answered = events.rposition(|event| event.from == Peer::Server);
            exchange
                .events
                .truncate(answered.map_or(usize::MAX, |last| last + 1));
        }
        (!exchange.client.is_empty()).then_some(exchange)
    }

    /// Takes the events from the opening handshake on, or all if there is none.
    fn new(conversation: &Conversation, handshake: Option<usize>, keep_secrets: bool) -> Self {
        let all = handshake.is_none();
        let mut exchange = Self {
            events: events(conversation, handshake.unwrap_or(0)),
            began: conversation.began,
            client: Vec::new(),
            server: Vec::new(),
            notes: conversation.notes.iter().map(ToString::to_string).collect(),
        };
        exchange.bound();
        exchange.join();
        if !keep_secrets {
            exchange.mask(all);
        }
        exchange
    }

    /// Creates a transcript of the bytes only, without observations of an application.
    pub(super) fn plain(self, source: &str) -> Transcript {
        let protocol = match FirstBytes::of(&self.client) {
            FirstBytes::FlashPolicy => "flash-policy",
            _ => "none",
        };
        let mut recorded = 0;
        let results = self.events.iter().map(|event| {
            if let (Peer::Server, Some(bytes)) = (event.from, &event.bytes) {
                recorded += bytes.len();
            }
            EventResult {
                actions: Vec::new(),
                seen: Vec::new(),
                recorded,
                said: recorded,
            }
        });
        let results: Vec<EventResult> = results.collect();
        let mut steps = steps(&self.events, &results, false);
        steps.iter_mut().for_each(add_wildcards);
        Transcript {
            headers: self.headers(source, protocol, AppKind::Echo),
            steps,
        }
    }

    /// Creates the transcript, with the name of the protocol, or `refused`. `None` if only a part
    /// of the answer to the handshake was captured.
    pub(super) fn transcript(mut self, source: &str) -> Option<(&'static str, Transcript)> {
        let status = self.status();
        let (mut played, is_exact) = self.best();
        if is_exact {
            self.trim(&mut played)?;
        } else {
            let note = "recorded from another server, whose bytes differ from Polysock's";
            self.notes.push(note.to_owned());
        }
        let is_accepted = status == Some(101);
        let mut steps = steps(&self.events, &played.results, is_accepted);
        if !is_accepted {
            steps.push(self.refusal(status.unwrap_or_default()));
        }
        let protocol = played.protocol.unwrap_or("none");
        let headers = self.headers(source, protocol, played.app);
        let kind = if is_accepted { protocol } else { "refused" };
        Some((kind, Transcript { headers, steps }))
    }

    fn headers(&self, source: &str, protocol: &str, app: AppKind) -> Vec<Header> {
        let head = head::parse(&self.client);
        let agent = head.as_ref().and_then(|head| head.value("user-agent"));
        let agent = agent.map_or("unknown".into(), |agent| String::from_utf8_lossy(agent));
        let mut headers = vec![
            header("client", agent),
            header("source", source),
            header("date", date(self.began)),
            header("protocol", protocol),
        ];
        if app == AppKind::Script {
            headers.push(header("app", "script"));
        }
        if self.is_secure() {
            headers.push(header("needs", "tls"));
        }
        if !self.notes.is_empty() {
            headers.push(header("note", self.notes.join("; ")));
        }
        headers
    }

    /// Returns the dry run that is closest to the recorded server, and whether its output begins
    /// with the bytes of that server.
    fn best(&self) -> (Played, bool) {
        let is_exact = |played: &Played| played.said.starts_with(&self.server);
        // A close that the server began is not the answer to a later close of the client.
        let is_timely = |played: &Played| {
            let mut results = played.results.iter();
            results.all(|result| result.recorded <= result.said)
        };
        let echo = self.play(AppKind::Echo);
        if is_exact(&echo) && is_timely(&echo) {
            return (echo, true);
        }
        let script = self.play(AppKind::Script);
        if is_exact(&echo) && !(is_exact(&script) && is_timely(&script)) {
            return (echo, true);
        }
        let is_exact = is_exact(&script);
        (script, is_exact)
    }

    fn play(&self, app: AppKind) -> Played {
        let mut dry_run = DryRun::new(app, self.is_secure());
        let mut server: Option<RecordedServer> = None;
        let (mut results, mut recorded) = (Vec::new(), 0);
        for event in &self.events {
            let (mut actions, mut seen) = (Vec::new(), Vec::new());
            match (event.from, &event.bytes) {
                (Peer::Client, Some(bytes)) => seen = dry_run.receive(bytes),
                (Peer::Client, None) => seen = dry_run.receive_eof(),
                (Peer::Server, Some(bytes)) => {
                    if self.status() == Some(Rejection::timeout().status) {
                        dry_run.time_out();
                    }
                    let before = recorded;
                    recorded += bytes.len();
                    if app == AppKind::Script
                        && let Some(protocol) = dry_run.protocol
                        && let Some(answer) = self.answer_len(protocol)
                    {
                        let server = server.get_or_insert_with(|| RecordedServer::new(protocol));
                        let behind = answer.saturating_sub(before).min(bytes.len());
                        actions = server.receive(bytes.get(behind..).unwrap_or_default());
                        actions.retain(|action| dry_run.act(action));
                    }
                }
                (Peer::Server, None) => {}
            }
            results.push(EventResult {
                actions,
                seen,
                recorded,
                said: dry_run.said.len(),
            });
        }
        Played {
            app,
            protocol: dry_run.protocol,
            results,
            said: dry_run.said.to_vec(),
        }
    }

    /// Removes the last events of the client if their answer was not captured. `None` if nothing
    /// remains.
    fn trim(&mut self, played: &mut Played) -> Option<()> {
        let whole = |result: &EventResult| result.recorded == result.said && result.said > 0;
        let kept = played.results.iter().rposition(whole)? + 1;
        let rest = self.events.get(kept..).unwrap_or_default();
        let lens = rest
            .iter()
            .filter_map(|event| Some(event.bytes.as_ref()?.len()));
        let lost: usize = lens.sum();
        if lost > 0 {
            self.notes.push(format!(
                "the last {lost} bytes are left out, because their answer was not captured"
            ));
        }
        self.events.truncate(kept);
        played.results.truncate(kept);
        Some(())
    }

    /// Removes the events over the size limit of a transcript.
    fn bound(&mut self) {
        let mut sum = 0_usize;
        let fits = self.events.iter().take_while(|event| {
            sum = sum.saturating_add(event.bytes.as_ref().map_or(0, Bytes::len));
            sum <= MAX_BYTES
        });
        let fits = fits.count();
        if fits < self.events.len() {
            self.notes.push(format!(
                "the bytes after the first {MAX_BYTES} are left out"
            ));
            self.events.truncate(fits);
        }
    }

    fn join(&mut self) {
        for (peer, all) in [
            (Peer::Client, &mut self.client),
            (Peer::Server, &mut self.server),
        ] {
            let own = self.events.iter().filter(|event| event.from == peer);
            *all = own
                .flat_map(|event| event.bytes.clone().unwrap_or_default())
                .collect();
        }
    }

    /// Replaces secrets in the heads, or in all bytes if `all` is set.
    fn mask(&mut self, all: bool) {
        let scope = |bytes: &[u8]| head::len(bytes).filter(|_| !all).unwrap_or(bytes.len());
        let mut secrets = Secrets::default();
        for bytes in [&self.client, &self.server] {
            secrets.collect(bytes.get(..scope(bytes)).unwrap_or_default());
        }
        for bytes in [&mut self.client, &mut self.server] {
            let scope = scope(bytes);
            secrets.replace(bytes.get_mut(..scope).unwrap_or_default());
        }
        let kinds = secrets.kinds().map(SecretKind::name);
        let kinds = kinds.collect::<Vec<_>>().join(" and ");
        if !kinds.is_empty() {
            let note = format!("{kinds} are replaced by stand-ins");
            self.notes.push(note);
        }
        let mut client = Bytes::copy_from_slice(&self.client);
        let mut server = Bytes::copy_from_slice(&self.server);
        for event in &mut self.events {
            let own = match event.from {
                Peer::Client => &mut client,
                Peer::Server => &mut server,
            };
            if let Some(bytes) = &mut event.bytes {
                *bytes = own.split_to(bytes.len().min(own.len()));
            }
        }
    }

    fn status(&self) -> Option<u16> {
        head::parse(&self.server).and_then(|head| head.status())
    }

    /// Whether the server's answer contains a `wss:` location, as in the hixie protocols.
    fn is_secure(&self) -> bool {
        let Some(head) = head::parse(&self.server) else {
            return false;
        };
        let names = ["sec-websocket-location", "websocket-location"];
        let location = names.iter().find_map(|name| head.value(name));
        location.is_some_and(|location| location.starts_with(b"wss:"))
    }

    /// Returns the length of the server's answer to the handshake.
    fn answer_len(&self, protocol: &str) -> Option<usize> {
        let len = head::parse(&self.server)?.as_bytes().len();
        Some(len + find_protocol(protocol)?.challenge().answer)
    }

    fn refusal(&self, status: u16) -> Step {
        let head = head::parse(&self.server);
        let len = head.as_ref().map_or(0, |head| head.as_bytes().len());
        let body = self.server.get(len..).unwrap_or_default().trim_ascii_end();
        let body = std::str::from_utf8(body).ok();
        let is_line =
            |body: &&str| !body.is_empty() && body.len() <= 200 && !body.contains(char::is_control);
        let rule = body.filter(is_line).map(str::to_owned);
        let reason = || {
            let reason = head
                .as_ref()
                .map(|head| head.reason().escape_ascii().to_string());
            reason.unwrap_or_default()
        };
        Step::refused(Some(status), rule.unwrap_or_else(reason))
    }
}

/// Adds the reason to a message if packets were lost or cut.
fn because_of_loss(reason: &str, conversation: &Conversation) -> String {
    match conversation.loss() {
        Some(loss) => format!("{reason}: {loss}"),
        None => reason.to_owned(),
    }
}
