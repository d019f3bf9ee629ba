//! Plays every opening handshake of `compat-fixtures/handshakes` against the program and checks
//! the answer. `compat-fixtures/README.md` explains the files.

mod support {
    pub(crate) mod client;
    pub(crate) mod server;
}

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::support::server::{PATIENCE, Server};

/// The bound of one exchange. No variant stalls, so no deadline of the server comes near it.
const DEADLINE: Duration = Duration::from_secs(8);

/// How many fixtures are played at a time: few enough for the server to keep up with every byte.
const PLAYERS: usize = 2;

/// How far apart bytes that go out alone are. Without it the server finds most of them together,
/// with it hardly any; no answer depends on it.
const PACE: Duration = Duration::from_micros(1);

#[test]
fn every_handshake_is_answered_as_recorded() {
    let fixtures = Fixture::all();
    let flags = ["--app", "echo", "--protocols", "all", "--origin", "*"];
    let mut server = Server::start(&[&flags[..], &["--flash-policy"]].concat());
    let address = server.address;
    let failures: Vec<String> = thread::scope(|scope| {
        let share = fixtures.len().div_ceil(PLAYERS);
        let play = |fixture| play_all(fixture, address);
        let players: Vec<_> = fixtures
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().flat_map(play).collect::<Vec<_>>()))
            .collect();
        let failures = players.into_iter().map(ScopedJoinHandle::join);
        failures
            .flat_map(|list| list.expect("a player does not panic"))
            .collect()
    });
    server.signal("TERM");
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "the server panicked:\n{log}");
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} failures\n\n{}\n",
        failures.join("\n\n")
    );
}

/// Plays a fixture in every variant; returns what went wrong.
fn play_all(fixture: &Fixture, address: SocketAddr) -> Vec<String> {
    if fixture.header("needs") == Some("tls") {
        eprintln!("{}: skipped, it needs TLS", fixture.name);
        return Vec::new();
    }
    let mut failures = Vec::new();
    for variant in Variant::of(fixture) {
        let played = Exchange::open(address).and_then(|exchange| exchange.play(fixture, variant));
        if let Err(Failure { expected, got }) = played {
            let name = &fixture.name;
            failures.push(format!(
                "{name}, {variant:?}\n  expected: {expected}\n  got:      {got}"
            ));
        }
    }
    failures
}

/// How the client's bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Variant {
    /// In one write.
    Whole,
    /// A write for each byte.
    ByteByByte,
    /// The eight bytes of Hixie-76 only when the head of the answer is there, as behind HAProxy.
    HeldBack,
    /// With the first frame right behind the eight bytes.
    Glued,
}

impl Variant {
    fn of(fixture: &Fixture) -> Vec<Self> {
        let mut variants = vec![Self::Whole];
        if fixture.header("only") != Some("whole") {
            variants.push(Self::ByteByByte);
        }
        if let Expectation::Accept {
            digest: Some(_), ..
        } = fixture.expectation
        {
            variants.extend([Self::HeldBack, Self::Glued]);
        }
        variants
    }
}

/// One connection to the server.
struct Exchange {
    stream: TcpStream,
    deadline: Instant,
    /// What has been read and not been looked at.
    unread: Vec<u8>,
}

impl Exchange {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream,
            deadline: Instant::now() + DEADLINE,
            unread: Vec::new(),
        })
    }

    fn play(mut self, fixture: &Fixture, variant: Variant) -> Result<(), Failure> {
        let request = &fixture.request;
        let (head, behind) = request.split_at(head_len(request).unwrap_or(request.len()));
        let greeting = greeting(fixture.protocol());
        match variant {
            Variant::Whole => self.send(&[request]),
            Variant::ByteByByte => self.send(&request.chunks(1).collect::<Vec<_>>()),
            Variant::HeldBack => self.send(&[head]),
            Variant::Glued => {
                let frame = greeting.map_or(&[][..], |(frame, _)| frame);
                self.send(&[&[request, frame].concat()]);
            }
        }
        match &fixture.expectation {
            Expectation::Policy => return check_policy(&self.read_to_end("a policy")?),
            Expectation::Refusal { rules } => {
                return check_refusal(&self.read_to_end("a refusal and the end")?, rules);
            }
            Expectation::Accept { rules, digest } => {
                let answer = self.read("the head of the answer", head_len)?;
                check_answer(&answer, rules)?;
                if let Variant::HeldBack = variant {
                    self.send(&[behind]);
                }
                if let Some(digest) = digest {
                    self.expect("the digest", digest)?;
                }
            }
        }
        // That the answer comes back shows that the right codec is at work, and nothing stray
        // before it.
        let Some((frame, echo)) = greeting else {
            return Ok(());
        };
        if !matches!(variant, Variant::Glued) {
            self.send(&[frame]);
        }
        self.expect("the echo", echo)
    }

    /// Writes the pieces, one after the other. A server that has refused may be gone before the
    /// last of them; what it said before is still to be read.
    fn send(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            if self.stream.write_all(piece).is_err() {
                return;
            }
            if pieces.len() > 1 {
                thread::sleep(PACE);
            }
        }
    }

    /// Takes what `find` finds the length of.
    fn read(&mut self, wanted: &str, find: fn(&[u8]) -> Option<usize>) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(len) = find(&self.unread) {
                return Ok(self.unread.drain(..len).collect());
            }
            if !self.read_more(wanted)? {
                return Err(Failure::new(
                    wanted,
                    format!("the end after {}", show(&self.unread)),
                ));
            }
        }
    }

    fn read_to_end(&mut self, wanted: &str) -> Result<Vec<u8>, Failure> {
        while self.read_more(wanted)? {}
        Ok(std::mem::take(&mut self.unread))
    }

    fn expect(&mut self, what: &str, expected: &[u8]) -> Result<(), Failure> {
        let wanted = format!("{what} {}", show(expected));
        while self.unread.len() < expected.len() && self.read_more(&wanted)? {}
        if !self.unread.starts_with(expected) {
            return Err(Failure::new(wanted, show(&self.unread)));
        }
        self.unread.drain(..expected.len());
        Ok(())
    }

    /// Reads once; false at the end.
    fn read_more(&mut self, wanted: &str) -> Result<bool, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let mut buffer = [0; 4096];
        // A read timeout of zero is an error.
        self.stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match self.stream.read(&mut buffer) {
            Ok(len) => {
                self.unread.extend(buffer.iter().take(len));
                Ok(len > 0)
            }
            Err(error) => {
                let read = show(&self.unread);
                Err(Failure::new(wanted, format!("{error} after {read}")))
            }
        }
    }
}

/// What was expected, and what came.
struct Failure {
    expected: String,
    got: String,
}

impl Failure {
    fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            got: got.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new("a connection", error.to_string())
    }
}

/// The text "hi" from a client of a protocol, with a key of zeros where it masks, and its echo.
fn greeting(protocol: &str) -> Option<(&'static [u8], &'static [u8])> {
    match protocol {
        "hixie-75" | "hixie-76" => Some((b"\0hi\xff", b"\0hi\xff")),
        "hybi-05" | "hybi-06" => Some((b"\0\0\0\0\x84\x02hi", b"\x84\x02hi")),
        "hybi-07" | "hybi-10" | "rfc6455" => Some((b"\x81\x82\0\0\0\0hi", b"\x81\x02hi")),
        // hybi-04 derives its key with SHA-1, from the server's nonce.
        _ => None,
    }
}

/// The length of the head with its blank line.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let end = |blank: &[u8]| {
        let at = bytes
            .windows(blank.len())
            .position(|window| window == blank)?;
        Some(at + blank.len())
    };
    end(b"\r\n\r\n").or_else(|| end(b"\n\n"))
}

fn check_answer(head: &[u8], rules: &[Rule]) -> Result<(), Failure> {
    let answer = Answer::parse(head)?;
    let mut lines = answer.lines.iter();
    for rule in rules {
        let met = match rule {
            Rule::Status(status) => answer.status() == Some(*status),
            Rule::Line(line) => lines.next() == Some(line),
            Rule::Field(name, value) => answer.values(name) == [value],
            Rule::Has(name) => answer.values(name).len() == 1,
            Rule::No(name) => answer.values(name).is_empty(),
        };
        if !met {
            return Err(Failure::new(format!("{rule:?}"), show(head)));
        }
    }
    Ok(())
}

/// A refusal is complete, so that the client can show it, and says that it ends the connection.
fn check_refusal(bytes: &[u8], rules: &[Rule]) -> Result<(), Failure> {
    let (head, body) = bytes.split_at(head_len(bytes).unwrap_or(0));
    check_answer(head, rules)?;
    let refusal = Answer::parse(head)?;
    let ends = |value: &&str| value.ends_with("close");
    let length = body.len().to_string();
    if refusal.values("Content-Length") != [length.as_str()] {
        Err(Failure::new("a body as long as announced", show(bytes)))
    } else if !refusal.values("Connection").iter().any(ends) {
        Err(Failure::new("a Connection field with close", show(bytes)))
    } else {
        Ok(())
    }
}

/// Flash reads up to the NUL, which must be the last byte.
fn check_policy(bytes: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(bytes);
    let xml = text.strip_suffix('\0').unwrap_or_default();
    let allows = xml.contains("<allow-access-from ") && !xml.contains('\0');
    if allows && xml.starts_with('<') && xml.trim_end().ends_with("</cross-domain-policy>") {
        Ok(())
    } else {
        Err(Failure::new("a policy and one NUL", show(bytes)))
    }
}

/// The head of an answer.
struct Answer {
    lines: Vec<String>,
}

impl Answer {
    /// Every line ends with CRLF: WebKit's hixie clients fail on anything else.
    fn parse(head: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(head);
        let Some(text) = text.strip_suffix("\r\n\r\n") else {
            return Err(Failure::new("the head of an answer", show(head)));
        };
        let lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
        if lines.iter().any(|line| line.contains(['\r', '\n'])) {
            return Err(Failure::new("lines that end with CRLF", show(head)));
        }
        Ok(Self { lines })
    }

    fn status(&self) -> Option<u16> {
        let rest = self.lines.first()?.strip_prefix("HTTP/1.1 ")?;
        rest.split_once(' ')?.0.parse().ok()
    }

    /// The values of a field. There is a space after the colon: web-socket-js demands it.
    fn values(&self, name: &str) -> Vec<&str> {
        let fields = self
            .lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let own = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value).collect()
    }
}

fn show(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

/// A file of `compat-fixtures/handshakes`.
struct Fixture {
    name: String,
    headers: Vec<(String, String)>,
    request: Vec<u8>,
    expectation: Expectation,
}

enum Expectation {
    Accept {
        rules: Vec<Rule>,
        digest: Option<Vec<u8>>,
    },
    Refusal {
        rules: Vec<Rule>,
    },
    Policy,
}

/// What the head of an answer must have.
#[derive(Debug)]
enum Rule {
    Status(u16),
    /// The next of its lines.
    Line(String),
    Field(String, String),
    Has(String),
    No(String),
}

impl Rule {
    fn parse(word: &str, value: &str) -> Option<Self> {
        let field = || value.split_once(": ");
        Some(match word {
            "status" => Self::Status(value.parse().ok()?),
            "line" => Self::Line(value.to_owned()),
            "field" => Self::Field(field()?.0.to_owned(), field()?.1.to_owned()),
            "has" => Self::Has(value.to_owned()),
            "no" => Self::No(value.to_owned()),
            _ => return None,
        })
    }
}

impl Fixture {
    fn all() -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat-fixtures/handshakes");
        let entries = fs::read_dir(directory).expect("the fixtures are there");
        let paths = entries.map(|entry| entry.expect("an entry can be read").path());
        let mut fixtures: Vec<_> = paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "wire")
            })
            .map(|path| {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let text = fs::read_to_string(&path).expect("a fixture is text");
                Self::parse(&name, &text).unwrap_or_else(|what| panic!("{name}: {what}"))
            })
            .collect();
        fixtures.sort_by(|one, other| one.name.cmp(&other.name));
        fixtures
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut request = Vec::new();
        let (mut accepted, mut refused, mut policy, mut digest) = (vec![], vec![], false, None);
        for line in text.lines().filter(|line| !line.is_empty()) {
            let error = || format!("cannot read `{line}`");
            let (sign, rest) = line.split_once(' ').ok_or_else(error)?;
            let (word, value) = rest.split_once(' ').unwrap_or((rest, ""));
            match (sign, word) {
                ("#", "") => {
                    let (_, header) = headers.last_mut().ok_or_else(error)?;
                    header.push(' ');
                    header.push_str(value.trim());
                }
                ("#", _) => {
                    let (key, value) = rest.split_once(": ").ok_or_else(error)?;
                    headers.push((key.to_owned(), value.to_owned()));
                }
                (">", "hex") => request.extend(unhex(value).ok_or_else(error)?),
                (">", _) => request.extend(unescape(rest).ok_or_else(error)?),
                ("<", "policy") => policy = true,
                ("<", "digest") => {
                    let hex = value.strip_prefix("hex ").ok_or_else(error)?;
                    digest = Some(unhex(hex).ok_or_else(error)?);
                }
                ("<", _) => accepted.push(Rule::parse(word, value).ok_or_else(error)?),
                ("!", _) => refused.push(Rule::parse(word, value).ok_or_else(error)?),
                _ => return Err(error()),
            }
        }
        let expectation = match (policy, accepted.is_empty(), refused.is_empty()) {
            (true, true, true) => Expectation::Policy,
            (false, false, true) => Expectation::Accept {
                rules: accepted,
                digest,
            },
            (false, true, false) => Expectation::Refusal { rules: refused },
            _ => return Err("expects nothing, or more than one outcome".to_owned()),
        };
        let fixture = Self {
            name: name.to_owned(),
            headers,
            request,
            expectation,
        };
        let needed = ["client", "source", "protocol"];
        match needed.iter().find(|name| fixture.header(name).is_none()) {
            Some(missing) => Err(format!("no header `{missing}`")),
            None => Ok(fixture),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_str())
    }

    fn protocol(&self) -> &str {
        self.header("protocol").unwrap_or_default()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .map(|pair| byte(pair).filter(|_| pair.len() == 2))
        .collect()
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let len = if after.starts_with('x') { 3 } else { 1 };
        let (escape, after) = after.split_at_checked(len)?;
        match escape {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "\\" => bytes.push(b'\\'),
            _ => bytes.extend(unhex(escape.strip_prefix('x')?)?),
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}
