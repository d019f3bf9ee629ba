//! The bounded queue of publications for a held request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use polysock_protocols::Message;
use thiserror::Error;
use tokio::sync::Notify;

use super::fields::Subscribe;
use crate::broadcast::{Overflow, Queue};
use crate::push::{
    Channels, HeldAnswer, HeldPush, Publication, Push, Receiving, ResponsePush, StreamPush,
};

/// The error for a client that reads more slowly than its channels publish.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the client of a held request reads too slowly")]
pub(super) struct Slow;

/// The format of publications for a held request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A stream of `text/event-stream`.
    Events,
    /// Any other stream.
    Lines,
    /// A single response.
    Answer,
}

/// A publication that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// The channel of the publication.
    pub(super) channel: Arc<str>,
    pub(super) id: Option<String>,
    pub(super) prev_id: Option<String>,
    pub(super) what: Payload,
}

/// The content of a publication, for one held request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// No content: the client's own user has published it.
    Nothing,
    Content(Bytes),
    Answer(HeldAnswer),
    Hint,
    Close,
}

/// The queue of publications for a held request. The request is subscribed to its channels until
/// this is dropped.
#[derive(Debug)]
pub(super) struct Inbox {
    shared: Arc<Shared>,
    receiving: Vec<(Arc<str>, Receiving)>,
    form: Form,
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    waiting: Mutex<Waiting>,
    coming: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    came: VecDeque<Received>,
    bytes: usize,
    /// Whether the queue has overflowed, and the request is to end.
    is_slow: bool,
    /// Whether a close was queued, after which nothing is accepted.
    is_closed: bool,
}

impl Inbox {
    /// Creates an inbox with this limit, without channels.
    pub(super) fn new(form: Form, queue: Queue) -> Self {
        Self {
            shared: Arc::new(Shared {
                queue,
                waiting: Mutex::default(),
                coming: Notify::new(),
            }),
            receiving: Vec::new(),
            form,
        }
    }

    /// Subscribes to these channels, and unsubscribes from all others.
    pub(super) fn follow(&mut self, channels: &Channels, wanted: &[Subscribe]) {
        let is_wanted = |name: &str| wanted.iter().any(|one| one.name == name);
        self.receiving.retain(|(name, _)| is_wanted(name));
        for Subscribe { name, is_not, .. } in wanted {
            if self.receiving.iter().any(|(other, _)| **other == **name) {
                continue;
            }
            let name = Arc::<str>::from(&**name);
            let (shared, form) = (Arc::clone(&self.shared), self.form);
            let (channel, is_not) = (Arc::clone(&name), is_not.clone());
            let receiving = channels.receive(Some(&name), move |_, publication| {
                let Some(what) = what(form, publication) else {
                    return;
                };
                let sender = publication.sender.as_deref();
                let is_own = sender.is_some() && sender == is_not.as_deref();
                shared.put(Received {
                    channel: Arc::clone(&channel),
                    id: publication.id.clone(),
                    prev_id: publication.prev_id.clone(),
                    what: if is_own { Payload::Nothing } else { what },
                });
            });
            self.receiving.push((name, receiving));
        }
    }

    /// Returns the next publication.
    ///
    /// # Errors
    ///
    /// The queue has overflowed, and its [`Overflow`] is `Disconnect`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn next(&self) -> Result<Received, Slow> {
        loop {
            {
                let mut waiting = self.shared.lock();
                if waiting.is_slow {
                    return Err(Slow);
                }
                if let Some(came) = waiting.take() {
                    return Ok(came);
                }
            }
            self.shared.coming.notified().await;
        }
    }

    /// Drops queued publications, up to the first for which `is_next` holds, or up to a close.
    pub(super) fn skip_to(&self, is_next: impl Fn(&Received) -> bool) {
        let mut waiting = self.shared.lock();
        let is_over = |came: &Received| came.what != Payload::Close && !is_next(came);
        while waiting.came.front().is_some_and(is_over) {
            waiting.take();
        }
    }

    /// Drops all queued publications, except a close.
    pub(super) fn clear(&self) {
        self.skip_to(|_| false);
    }
}

impl Shared {
    fn put(&self, came: Received) {
        let mut waiting = self.lock();
        if waiting.is_slow || waiting.is_closed {
            return;
        }
        waiting.is_closed = came.what == Payload::Close;
        waiting.bytes += came.len();
        waiting.came.push_back(came);
        while waiting.is_over(&self.queue) {
            match self.queue.overflow {
                Overflow::DropOldest => drop(waiting.take()),
                // A close does not count towards the limit.
                Overflow::DropNewest if waiting.is_closed => break,
                Overflow::DropNewest => waiting.drop_newest(),
                Overflow::Disconnect => {
                    *waiting = Waiting {
                        is_slow: true,
                        ..Waiting::default()
                    };
                }
            }
        }
        drop(waiting);
        self.coming.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each operation leaves the queue consistent, so a panic cannot break it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether the queue is over its limit. A single publication is always allowed, whatever its
    /// size.
    fn is_over(&self, queue: &Queue) -> bool {
        let messages = self.came.len();
        messages > 1 && (messages > queue.messages || self.bytes > queue.bytes)
    }

    fn take(&mut self) -> Option<Received> {
        let came = self.came.pop_front()?;
        self.bytes -= came.len();
        Some(came)
    }

    fn drop_newest(&mut self) {
        if let Some(came) = self.came.pop_back() {
            self.bytes -= came.len();
        }
    }
}

impl Received {
    fn len(&self) -> usize {
        match &self.what {
            Payload::Content(content) => content.len(),
            Payload::Answer(answer) => answer.body.len(),
            Payload::Nothing | Payload::Hint | Payload::Close => 0,
        }
    }
}

/// Returns the content of a publication in this form; `None` if it has none.
fn what(form: Form, publication: &Publication) -> Option<Payload> {
    match (&publication.held, form) {
        (HeldPush::Formats { response, .. }, Form::Answer) => match response.as_ref()? {
            ResponsePush::Answer(answer) => Some(Payload::Answer(answer.clone())),
            ResponsePush::Hint => Some(Payload::Hint),
        },
        (HeldPush::Formats { stream, .. }, Form::Events | Form::Lines) => match stream.as_ref()? {
            StreamPush::Content(content) => Some(Payload::Content(content.clone())),
            StreamPush::Hint => Some(Payload::Hint),
            StreamPush::Close => Some(Payload::Close),
        },
        (HeldPush::Same, _) => match &publication.push {
            Push::Nothing => None,
            Push::Message(message) => of_message(form, message),
            // A close is no response, so the client keeps waiting for one.
            Push::Close(_) => (form != Form::Answer).then_some(Payload::Close),
        },
    }
}

fn of_message(form: Form, message: &Message) -> Option<Payload> {
    match (form, message) {
        (Form::Events, Message::Text(text)) => Some(Payload::Content(event(text))),
        // An event stream is text.
        (Form::Events, Message::Binary(_)) => None,
        (Form::Lines, Message::Text(text)) => {
            let mut line = BytesMut::with_capacity(text.len() + 1);
            line.put_slice(text.as_bytes());
            line.put_u8(b'\n');
            Some(Payload::Content(line.freeze()))
        }
        (Form::Lines, Message::Binary(bytes)) => Some(Payload::Content(bytes.clone())),
        (Form::Answer, message) => Some(Payload::Answer(HeldAnswer {
            status: 200,
            reason: None,
            fields: Vec::new(),
            body: Bytes::copy_from_slice(message.as_bytes()),
        })),
    }
}

/// Writes a text as an event, with one `data` field for each line (HTML Living Standard, 9.2.5).
fn event(text: &str) -> Bytes {
    let mut event = BytesMut::with_capacity(text.len() + 8);
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        event.put_slice(b"data: ");
        event.put_slice(line.as_bytes());
        event.put_u8(b'\n');
    }
    event.put_u8(b'\n');
    event.freeze()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use polysock_protocols::CloseCode;

    use super::*;

    fn on(names: &[&str]) -> Vec<Subscribe> {
        let subscribe = |name: &&str| Subscribe {
            name: (*name).to_owned(),
            prev_id: None,
            is_not: Some("me".to_owned()),
        };
        names.iter().map(subscribe).collect()
    }

    fn queue(messages: usize, bytes: usize, overflow: Overflow) -> Queue {
        Queue {
            messages,
            bytes,
            overflow,
        }
    }

    fn content(came: Option<Result<Received, Slow>>) -> String {
        match came.unwrap().unwrap().what {
            Payload::Content(content) => String::from_utf8(content.into()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_inbox_receives_publications_on_its_channels() {
        let channels = Channels::new();
        let mut inbox = Inbox::new(Form::Lines, Queue::default());
        inbox.follow(&channels, &on(&["a", "b"]));
        for channel in ["a", "b", "c"] {
            channels.publish(channel, Message::from(channel));
        }
        assert_eq!(content(inbox.next().now_or_never()), "a\n");
        assert_eq!(content(inbox.next().now_or_never()), "b\n");
        inbox.follow(&channels, &on(&["b", "c"]));
        for channel in ["a", "b", "c"] {
            channels.publish(channel, Message::from(channel));
        }
        assert_eq!(content(inbox.next().now_or_never()), "b\n");
        assert_eq!(content(inbox.next().now_or_never()), "c\n");
        assert!(inbox.next().now_or_never().is_none());
        let own = Publication {
            sender: Some("me".to_owned()),
            ..Publication::from(Message::from("x"))
        };
        channels.publish("b", own);
        let came = inbox.next().now_or_never().unwrap().unwrap();
        assert_eq!(came.what, Payload::Nothing);
        drop(inbox);
        assert!(channels.is_empty());
    }

    #[test]
    fn the_queue_of_an_inbox_is_bounded() {
        let channels = Channels::new();
        let inbox = |overflow, messages, bytes| {
            let mut inbox = Inbox::new(Form::Lines, queue(messages, bytes, overflow));
            inbox.follow(&channels, &on(&["a"]));
            inbox
        };
        let oldest = inbox(Overflow::DropOldest, 2, 1000);
        let newest = inbox(Overflow::DropNewest, 100, 4);
        let cut = inbox(Overflow::Disconnect, 2, 1000);
        for text in ["1", "2", "3"] {
            channels.publish("a", Message::from(text));
        }
        channels.publish("a", Push::Close(CloseCode::NORMAL.into()));
        channels.publish("a", Message::from("late"));
        let close = |inbox: &Inbox| inbox.next().now_or_never().unwrap().unwrap().what;
        assert_eq!(content(oldest.next().now_or_never()), "3\n");
        assert_eq!(close(&oldest), Payload::Close);
        assert_eq!(content(newest.next().now_or_never()), "1\n");
        assert_eq!(content(newest.next().now_or_never()), "2\n");
        assert_eq!(close(&newest), Payload::Close);
        assert_eq!(cut.next().now_or_never(), Some(Err(Slow)));
        // A single publication may have any size.
        let large = inbox(Overflow::Disconnect, 1, 1);
        channels.publish("a", Message::from("large"));
        assert_eq!(content(large.next().now_or_never()), "large\n");
    }

    #[test]
    fn websocket_messages_are_converted_for_held_http_requests() {
        let of = |form, message: Message| what(form, &message.into());
        let text = |text: &'static str| Some(Payload::Content(Bytes::from_static(text.as_bytes())));
        assert_eq!(of(Form::Events, "hi".into()), text("data: hi\n\n"));
        assert_eq!(of(Form::Events, "".into()), text("data: \n\n"));
        assert_eq!(
            of(Form::Events, "a\r\nb\nc\rd\n".into()),
            text("data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n")
        );
        let bytes = || Message::binary(&b"\0\xff"[..]);
        assert_eq!(of(Form::Events, bytes()), None);
        assert_eq!(of(Form::Lines, "hi".into()), text("hi\n"));
        let raw = Payload::Content(Bytes::from_static(b"\0\xff"));
        assert_eq!(of(Form::Lines, bytes()), Some(raw));
        for message in [Message::from("\0x"), Message::binary(&b"\0x"[..])] {
            let Some(Payload::Answer(answer)) = of(Form::Answer, message) else {
                panic!("no answer");
            };
            assert_eq!((answer.status, &*answer.body), (200, &b"\0x"[..]));
        }
        let none = Publication {
            held: HeldPush::Formats {
                stream: None,
                response: None,
            },
            ..Publication::from(Message::from("for WebSockets"))
        };
        for form in [Form::Events, Form::Lines, Form::Answer] {
            assert_eq!(what(form, &none), None);
        }
        let close = Push::Close(CloseCode::NORMAL.into());
        assert_eq!(
            what(Form::Lines, &close.clone().into()),
            Some(Payload::Close)
        );
        assert_eq!(what(Form::Answer, &close.into()), None);
    }
}
