//! An origin for WebSocket-over-HTTP: a web app for which a gateway keeps WebSockets open.
//!
//! Each request is passed to the test, which inspects it and answers when it likes.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::PATIENCE;

/// The media type of requests and answers.
pub const EVENTS: &str = "application/websocket-events";

/// An origin on a free port of this machine. It ends with the process.
pub struct Origin {
    /// The address on which the origin listens.
    pub address: SocketAddr,
    posts: Receiver<Post>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Post {
    /// The method, the target and the version.
    pub line: String,
    /// The fields, unchanged.
    pub fields: Vec<(String, String)>,
    /// The body, whose length is that of `Content-Length`.
    pub body: Vec<u8>,
    answer: Sender<Answer>,
}

/// An event, as contained in bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `OPEN`, `TEXT` and so on.
    pub kind: String,
    /// The content; `None` if no size is given.
    pub content: Option<Vec<u8>>,
}

/// An answer of an origin.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// The number of bytes of the body that are sent before the connection ends; `None` if it stays
    /// open.
    cut: Option<usize>,
}

impl Default for Origin {
    fn default() -> Self {
        Self::new()
    }
}

impl Origin {
    /// Starts an origin.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let (sender, posts) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, sender) = (stream.expect("a connection"), sender.clone());
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Self { address, posts }
    }

    /// Returns the URL of the origin for a gateway.
    pub fn url(&self) -> String {
        format!("http+grip://{}", self.address)
    }

    /// Waits for the next request.
    #[track_caller]
    pub fn post(&self) -> Post {
        self.post_within(PATIENCE)
    }

    /// Waits for the next request for at most this time.
    #[track_caller]
    pub fn post_within(&self, time: Duration) -> Post {
        match self.posts.recv_timeout(time) {
            Ok(post) => post,
            Err(error) => panic!("no request within {time:?}: {error}"),
        }
    }

    /// Expects these events in the next request, and answers with those in `answer`.
    #[track_caller]
    pub fn answers(&self, expected: &[Event], answer: &[Event]) {
        let post = self.post();
        assert_eq!(post.events(), expected, "{post:?}");
        post.answer(Answer::events(answer));
    }

    /// Expects no request within this time.
    #[track_caller]
    pub fn is_left_alone(&self, time: Duration) {
        match self.posts.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("it is asked: {other:?}"),
        }
    }
}

impl Post {
    /// Returns the value of a field, which must not be repeated.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self
            .fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "a second {name} in {self:?}");
        value
    }

    /// Returns the events in the request.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        parse(&self.body)
    }

    /// Answers the request. A gateway that no longer waits does not receive the answer.
    pub fn answer(self, answer: Answer) {
        // The thread of a connection that has ended accepts no answer.
        let _ = self.answer.send(answer);
    }
}

impl Event {
    /// Creates an event without content.
    pub fn bare(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            content: None,
        }
    }

    /// Creates an event with content.
    pub fn of(kind: &str, content: impl AsRef<[u8]>) -> Self {
        Self {
            kind: kind.to_owned(),
            content: Some(content.as_ref().to_owned()),
        }
    }

    /// Creates a text event.
    pub fn text(text: &str) -> Self {
        Self::of("TEXT", text)
    }

    /// Creates a control message, which is JSON.
    pub fn control(json: &str) -> Self {
        Self::text(&format!("c:{json}"))
    }

    /// Creates the control message that subscribes to a channel.
    pub fn subscribe(channel: &str) -> Self {
        Self::control(&format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#))
    }

    /// Creates a close event.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::of(
            "CLOSE",
            [&code.to_be_bytes()[..], reason.as_bytes()].concat(),
        )
    }
}

impl Answer {
    /// Creates an answer with these events.
    pub fn events(events: &[Event]) -> Self {
        Self::page(200, EVENTS, events.iter().flat_map(encode).collect())
    }

    /// Creates an answer that accepts a client with the extension `grip`, and has these events
    /// after OPEN.
    pub fn accept(events: &[Event]) -> Self {
        let open = [&[Event::bare("OPEN")], events].concat();
        Self::events(&open).with("Sec-WebSocket-Extensions", "grip")
    }

    /// Creates an answer of any kind.
    pub fn page(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            fields: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body,
            cut: None,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends the connection after the head and this many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, len: usize) -> Self {
        self.cut = Some(len);
        self
    }

    /// Ends the connection after the answer, without announcing it.
    #[must_use]
    pub fn hanging_up(self) -> Self {
        let len = self.body.len();
        self.cut_after(len)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Any\r\n", self.status);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        let body = self.body.get(..self.cut.unwrap_or(self.body.len()));
        [head.as_bytes(), body.expect("it is cut within")].concat()
    }
}

/// Parses the events in a body. Fails the test if the body contains anything else.
#[track_caller]
pub fn parse(mut body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !body.is_empty() {
        let line;
        (line, body) = line_of(body);
        let line = std::str::from_utf8(line).expect("a kind and a size");
        let Some((kind, size)) = line.split_once(' ') else {
            events.push(Event::bare(line));
            continue;
        };
        let size = usize::from_str_radix(size, 16).expect("a size in hexadecimal digits");
        let (content, rest) = body.split_at(size);
        body = rest.strip_prefix(b"\r\n").expect("the end of a content");
        events.push(Event::of(kind, content));
    }
    events
}

/// Splits the first line, without its end, from the rest.
#[track_caller]
fn line_of(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.windows(2).position(|pair| pair == b"\r\n");
    let end = end.expect("the end of a line");
    (&body[..end], &body[end + 2..])
}

fn encode(event: &Event) -> Vec<u8> {
    let kind = &event.kind;
    match &event.content {
        None => format!("{kind}\r\n").into_bytes(),
        Some(content) => {
            let line = format!("{kind} {:x}\r\n", content.len());
            [line.as_bytes(), content, b"\r\n"].concat()
        }
    }
}

/// Serves a connection until it ends.
fn serve(mut stream: TcpStream, posts: &Sender<Post>) {
    let mut incoming = BufReader::new(stream.try_clone().expect("a descriptor"));
    loop {
        let (answer, answers) = mpsc::channel();
        let Some(post) = read(&mut incoming, answer) else {
            return;
        };
        if posts.send(post).is_err() {
            return;
        }
        // A test that drops the request ends the connection without an answer.
        let Ok(answer) = answers.recv() else {
            return;
        };
        if stream.write_all(&answer.to_bytes()).is_err() || answer.cut.is_some() {
            return;
        }
    }
}

/// Reads the next request; `None` after the last.
fn read(incoming: &mut BufReader<TcpStream>, answer: Sender<Answer>) -> Option<Post> {
    let line = read_line(incoming)?;
    let mut fields = Vec::new();
    while let Some((name, value)) = read_line(incoming)?.split_once(':') {
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut post = Post {
        line,
        fields,
        body: Vec::new(),
        answer,
    };
    let length = post.field("Content-Length").unwrap_or("0");
    post.body = vec![0; length.parse().expect("a length")];
    incoming.read_exact(&mut post.body).ok()?;
    Some(post)
}

/// Reads the next line without its end; `None` after the last.
fn read_line(incoming: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match incoming.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{error}"),
    }
}
