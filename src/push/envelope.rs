//! The encoding of the publications that nodes exchange.

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use bytestring::ByteString;
use polysock_protocols::{Close, CloseCode, Message};

use super::publication::{
    Audience, HeldAnswer, HeldPush, Publication, Push, ResponsePush, StreamPush,
};

/// The version of the encoding that this node writes and reads.
const VERSION: u8 = 1;

/// The identifier of a node, drawn at random when the node starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u64);

/// The node that published something, and the number of the publication on its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) node: NodeId,
    /// The number of the publication: one more than that of the node's previous one on the channel,
    /// unless it is the first.
    pub(crate) number: u64,
    /// Whether the node knows of no previous publication on the channel.
    pub(crate) is_first: bool,
}

/// The reason why an envelope cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("it ends too early")]
    Short,
    #[error("it has version {0}, and this node reads version {VERSION}")]
    Version(u8),
    #[error("its kind {0} is unknown")]
    Kind(u8),
    #[error("a text in it is not UTF-8")]
    Text,
    #[error("its close code is not valid")]
    Code,
}

impl From<TryGetError> for EnvelopeError {
    fn from(_: TryGetError) -> Self {
        Self::Short
    }
}

/// Encodes a publication.
pub(crate) fn write(origin: Origin, publication: &Publication) -> Bytes {
    let mut into = BytesMut::with_capacity(64);
    into.put_u8(VERSION);
    into.put_u64(origin.node.0);
    into.put_u64(origin.number);
    into.put_u8(origin.is_first.into());
    let Publication {
        push,
        held,
        id,
        prev_id,
        sender,
        audience,
    } = publication;
    for text in [id, prev_id, sender] {
        put_option(&mut into, text.as_deref());
    }
    put_texts(&mut into, &audience.except);
    match &audience.only {
        None => into.put_u8(0),
        Some(only) => {
            into.put_u8(1);
            put_texts(&mut into, only);
        }
    }
    put_held(&mut into, held);
    match push {
        Push::Nothing => into.put_u8(0),
        Push::Message(Message::Text(text)) => {
            into.put_u8(1);
            into.put_slice(text.as_bytes());
        }
        Push::Message(Message::Binary(bytes)) => {
            into.put_u8(2);
            into.put_slice(bytes);
        }
        Push::Close(close) => {
            into.put_u8(3);
            into.put_u16(close.code.get());
            into.put_slice(close.reason.as_bytes());
        }
    }
    into.freeze()
}

/// Decodes a publication.
pub(crate) fn read(mut from: Bytes) -> Result<(Origin, Publication), EnvelopeError> {
    let version = from.try_get_u8()?;
    if version != VERSION {
        return Err(EnvelopeError::Version(version));
    }
    let origin = Origin {
        node: NodeId(from.try_get_u64()?),
        number: from.try_get_u64()?,
        is_first: from.try_get_u8()? != 0,
    };
    let id = option(&mut from)?;
    let prev_id = option(&mut from)?;
    let sender = option(&mut from)?;
    let except = texts(&mut from)?;
    let only = match from.try_get_u8()? {
        0 => None,
        _ => Some(texts(&mut from)?),
    };
    let held = held(&mut from)?;
    let text = |bytes| ByteString::try_from(bytes).map_err(|_| EnvelopeError::Text);
    let push = match from.try_get_u8()? {
        0 => Push::Nothing,
        1 => Push::Message(Message::Text(text(from)?)),
        2 => Push::Message(Message::Binary(from)),
        3 => {
            let code = CloseCode::new(from.try_get_u16()?).ok_or(EnvelopeError::Code)?;
            Push::Close(Close::new(code, &*text(from)?))
        }
        kind => return Err(EnvelopeError::Kind(kind)),
    };
    let publication = Publication {
        push,
        held,
        id,
        prev_id,
        sender,
        audience: Audience { except, only },
    };
    Ok((origin, publication))
}

fn put_held(into: &mut BytesMut, held: &HeldPush) {
    let HeldPush::Formats { stream, response } = held else {
        return into.put_u8(0);
    };
    into.put_u8(1);
    match stream {
        None => into.put_u8(0),
        Some(StreamPush::Content(content)) => {
            into.put_u8(1);
            put_bytes(into, content);
        }
        Some(StreamPush::Hint) => into.put_u8(2),
        Some(StreamPush::Close) => into.put_u8(3),
    }
    match response {
        None => into.put_u8(0),
        Some(ResponsePush::Answer(answer)) => {
            into.put_u8(1);
            into.put_u16(answer.status);
            put_option(into, answer.reason.as_deref());
            let fields = answer.fields.iter().flat_map(|(name, value)| [name, value]);
            put_len(into, 2 * answer.fields.len());
            fields.for_each(|text| put_text(into, text));
            put_bytes(into, &answer.body);
        }
        Some(ResponsePush::Hint) => into.put_u8(2),
    }
}

fn held(from: &mut Bytes) -> Result<HeldPush, EnvelopeError> {
    if from.try_get_u8()? == 0 {
        return Ok(HeldPush::Same);
    }
    let stream = match from.try_get_u8()? {
        0 => None,
        1 => Some(StreamPush::Content(bytes(from)?)),
        2 => Some(StreamPush::Hint),
        3 => Some(StreamPush::Close),
        kind => return Err(EnvelopeError::Kind(kind)),
    };
    let response = match from.try_get_u8()? {
        0 => None,
        1 => {
            let status = from.try_get_u16()?;
            let reason = option(from)?;
            let mut fields = texts(from)?.into_iter();
            let pairs = std::iter::from_fn(|| Some((fields.next()?, fields.next()?)));
            let fields = pairs.collect();
            let body = bytes(from)?;
            Some(ResponsePush::Answer(HeldAnswer {
                status,
                reason,
                fields,
                body,
            }))
        }
        2 => Some(ResponsePush::Hint),
        kind => return Err(EnvelopeError::Kind(kind)),
    };
    Ok(HeldPush::Formats { stream, response })
}

fn put_len(into: &mut BytesMut, len: usize) {
    // No publication is as long as 4 GiB.
    into.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
}

fn put_bytes(into: &mut BytesMut, bytes: &[u8]) {
    put_len(into, bytes.len());
    into.put_slice(bytes);
}

fn bytes(from: &mut Bytes) -> Result<Bytes, EnvelopeError> {
    let len = from.try_get_u32()? as usize;
    match len <= from.remaining() {
        true => Ok(from.split_to(len)),
        false => Err(EnvelopeError::Short),
    }
}

pub(super) fn put_text(into: &mut BytesMut, text: &str) {
    put_bytes(into, text.as_bytes());
}

pub(super) fn put_option(into: &mut BytesMut, text: Option<&str>) {
    match text {
        None => into.put_u8(0),
        Some(text) => {
            into.put_u8(1);
            put_text(into, text);
        }
    }
}

fn put_texts(into: &mut BytesMut, texts: &[String]) {
    put_len(into, texts.len());
    texts.iter().for_each(|text| put_text(into, text));
}

pub(super) fn text(from: &mut Bytes) -> Result<String, EnvelopeError> {
    String::from_utf8(bytes(from)?.to_vec()).map_err(|_| EnvelopeError::Text)
}

pub(super) fn option(from: &mut Bytes) -> Result<Option<String>, EnvelopeError> {
    match from.try_get_u8()? {
        0 => Ok(None),
        _ => text(from).map(Some),
    }
}

fn texts(from: &mut Bytes) -> Result<Vec<String>, EnvelopeError> {
    let count = from.try_get_u32()?;
    // Each text is read before memory for the next is allocated: no memory is reserved for an
    // announced count.
    (0..count).map(|_| text(from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> [Publication; 4] {
        let audience = Audience {
            except: vec!["ann".to_owned(), String::new()],
            only: Some(vec![]),
        };
        [
            Publication::default(),
            Publication {
                push: Push::Message(Message::Text("hé".into())),
                id: Some("2".to_owned()),
                prev_id: Some(String::new()),
                sender: Some("bob".to_owned()),
                audience,
                held: HeldPush::Formats {
                    stream: Some(StreamPush::Content(Bytes::from_static(b"\n"))),
                    response: Some(ResponsePush::Answer(HeldAnswer {
                        status: 201,
                        reason: Some("Made".to_owned()),
                        fields: vec![("A".to_owned(), "b".to_owned())],
                        body: Bytes::from_static(b"made"),
                    })),
                },
            },
            Publication {
                held: HeldPush::Formats {
                    stream: Some(StreamPush::Close),
                    response: Some(ResponsePush::Hint),
                },
                ..Message::Binary(Bytes::from_static(b"\0\xff")).into()
            },
            Push::Close(Close::new(CloseCode::new(4001).unwrap(), "moved")).into(),
        ]
    }

    fn origin() -> Origin {
        Origin {
            node: NodeId(7 << 60),
            number: 300,
            is_first: true,
        }
    }

    #[test]
    fn a_written_envelope_is_read_back() {
        for publication in some() {
            let written = write(origin(), &publication);
            assert_eq!(read(written), Ok((origin(), publication)));
        }
    }

    #[test]
    fn truncated_or_foreign_bytes_are_no_envelope() {
        for publication in some() {
            let written = write(origin(), &publication);
            let least = written.len()
                - match &publication.push {
                    Push::Nothing => 0,
                    Push::Message(message) => message.as_bytes().len(),
                    Push::Close(close) => close.reason.len(),
                };
            for len in 0..least {
                assert_eq!(
                    read(written.slice(..len)),
                    Err(EnvelopeError::Short),
                    "{len} of {publication:?}"
                );
            }
        }
        assert_eq!(
            read(Bytes::from_static(b"\x02")),
            Err(EnvelopeError::Version(2))
        );
        let mut written = BytesMut::from(&write(origin(), &Publication::default())[..]);
        if let Some(kind) = written.last_mut() {
            *kind = 9;
        }
        assert_eq!(read(written.freeze()), Err(EnvelopeError::Kind(9)));
    }
}
