//! The parameters of `deflate-frame`, and of `x-webkit-deflate-frame`, which is the same
//! (draft-tyoshino-hybi-websocket-perframe-deflate). In an offer they say how the server is to
//! compress, in an answer how the client is.

use super::Extension;
use super::agreed::{Agreed, Form};
use crate::compression::{Compression, Window};

/// What a client offers, as WebKit did. netty declines an offer with parameters.
pub(super) const OFFER: &str = "x-webkit-deflate-frame";

const NAMES: [&str; 2] = ["deflate-frame", OFFER];

#[derive(Debug, Default)]
struct Parameters {
    max_window_bits: Option<u8>,
    no_context_takeover: bool,
    /// Whether there are others.
    unknown: bool,
}

impl Parameters {
    /// The name with the parameters; `None` for another extension, and for values that do not
    /// belong there.
    fn read(extension: &Extension<'_>) -> Option<(&'static str, Self)> {
        let name = NAMES
            .into_iter()
            .find(|name| name.as_bytes() == extension.name)?;
        let mut read = Self::default();
        for parameter in &extension.parameters {
            match parameter.name {
                b"max_window_bits" if read.max_window_bits.is_none() => {
                    read.max_window_bits = Some(parameter.bits()?);
                }
                b"max_window_bits" => return None,
                b"no_context_takeover" => parameter.set(&mut read.no_context_takeover)?,
                _ => read.unknown = true,
            }
        }
        Some((name, read))
    }

    /// What they make of the side that they speak of, which is ours.
    fn limit(&self, ours: &Window) -> Window {
        Window {
            max_bits: ours.bits().min(self.max_window_bits.unwrap_or(15)),
            context_takeover: ours.context_takeover && !self.no_context_takeover,
        }
    }
}

/// The answer to an offer; `None` declines it. Unknown parameters are ignored, as pywebsocket's
/// server does.
pub(super) fn choose(offer: &Extension<'_>, ours: &Compression) -> Option<(Agreed, String)> {
    let (name, offered) = Parameters::read(offer)?;
    let mut answer = name.to_owned();
    match ours.incoming.bits() {
        15 => {}
        bits => answer += &format!("; max_window_bits={bits}"),
    }
    if !ours.incoming.context_takeover {
        answer += "; no_context_takeover";
    }
    let agreed = Agreed {
        form: Form::Frame,
        outgoing: offered.limit(&ours.outgoing),
        incoming: Window {
            max_bits: ours.incoming.bits(),
            ..ours.incoming
        },
        level: ours.level(),
        threshold: ours.threshold,
    };
    Some((agreed, answer))
}

/// What a server's answer to [`OFFER`] comes to; `None` where it must not answer so.
pub(super) fn accept(answer: &Extension<'_>, ours: &Compression) -> Option<Agreed> {
    let (name, answer) = Parameters::read(answer)?;
    (name == OFFER && !answer.unknown).then(|| Agreed {
        form: Form::Frame,
        outgoing: answer.limit(&ours.outgoing),
        // The offer has no parameter that would ask for less.
        incoming: Window {
            max_bits: 15,
            context_takeover: true,
        },
        level: ours.level(),
        threshold: ours.threshold,
    })
}
