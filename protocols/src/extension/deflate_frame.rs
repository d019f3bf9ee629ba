//! The parameters of `deflate-frame`, and of `x-webkit-deflate-frame`, which is the same
//! (draft-tyoshino-hybi-websocket-perframe-deflate). In an offer they tell the server how to
//! compress, in an answer the client.

use super::Extension;
use super::agreed::{Agreed, Form};
use crate::compression::{Compression, Window};

/// The offer of a client, as WebKit sent it. netty declines an offer with parameters.
pub(super) const OFFER: &str = "x-webkit-deflate-frame";

const NAMES: [&str; 2] = ["deflate-frame", OFFER];

#[derive(Debug, Default)]
struct Parameters {
    max_window_bits: Option<u8>,
    no_context_takeover: bool,
    /// True if there are unknown parameters.
    unknown: bool,
}

impl Parameters {
    /// Returns the name and the parameters; `None` for another extension or invalid values.
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

    /// Applies the parameters to our window.
    fn limit(&self, ours: &Window) -> Window {
        Window {
            max_bits: ours.bits().min(self.max_window_bits.unwrap_or(15)),
            context_takeover: ours.context_takeover && !self.no_context_takeover,
        }
    }
}

/// Returns the agreement and the answer to an offer; `None` declines it. Unknown parameters are
/// ignored, as in pywebsocket's server.
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

/// Returns the agreement from a server's answer to [`OFFER`]; `None` if the answer is not allowed.
pub(super) fn accept(answer: &Extension<'_>, ours: &Compression) -> Option<Agreed> {
    let (name, answer) = Parameters::read(answer)?;
    (name == OFFER && !answer.unknown).then(|| Agreed {
        form: Form::Frame,
        outgoing: answer.limit(&ours.outgoing),
        // The offer has no parameter to ask for less.
        incoming: Window {
            max_bits: 15,
            context_takeover: true,
        },
        level: ours.level(),
        threshold: ours.threshold,
    })
}
