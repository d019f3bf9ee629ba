//! The parameters of `permessage-deflate` (RFC 7692 §7.1).

use super::agreed::{Agreed, Form};
use super::{Extension, Parameter};
use crate::compression::{Compression, Window};

const NAME: &str = "permessage-deflate";

#[derive(Debug, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// The outer `None` if the parameter is absent, the inner if it has no value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// Reads the parameters; `None` for another extension, and for parameters that are unknown,
    /// repeated or have a value that is not allowed (RFC 7692 §7.1).
    fn read(extension: &Extension<'_>) -> Option<Self> {
        if extension.name != NAME.as_bytes() {
            return None;
        }
        let mut read = Self::default();
        for parameter in &extension.parameters {
            match parameter.name {
                b"server_no_context_takeover" => {
                    parameter.set(&mut read.server_no_context_takeover)?;
                }
                b"client_no_context_takeover" => {
                    parameter.set(&mut read.client_no_context_takeover)?;
                }
                b"server_max_window_bits" => {
                    once(&mut read.server_max_window_bits, parameter.bits()?)?;
                }
                b"client_max_window_bits" => {
                    let bits = match parameter {
                        Parameter { value: None, .. } => None,
                        parameter => Some(parameter.bits()?),
                    };
                    once(&mut read.client_max_window_bits, bits)?;
                }
                _ => return None,
            }
        }
        Some(read)
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// Returns the agreement and the answer to an offer; `None` declines it.
pub(super) fn choose(offer: &Extension<'_>, ours: &Compression) -> Option<(Agreed, String)> {
    let offered = Parameters::read(offer)?;
    let mut answer = NAME.to_owned();
    let outgoing = Window {
        max_bits: ours
            .outgoing
            .bits()
            .min(offered.server_max_window_bits.unwrap_or(15)),
        context_takeover: ours.outgoing.context_takeover && !offered.server_no_context_takeover,
    };
    let mut incoming = Window {
        max_bits: 15,
        context_takeover: ours.incoming.context_takeover && !offered.client_no_context_takeover,
    };
    if !outgoing.context_takeover {
        answer += "; server_no_context_takeover";
    }
    if !incoming.context_takeover {
        answer += "; client_no_context_takeover";
    }
    // RFC 7692 §7.1.2.1: accepted by repeating it, with the same value or a smaller one.
    if offered.server_max_window_bits.is_some() {
        answer += &format!("; server_max_window_bits={}", outgoing.max_bits);
    }
    // RFC 7692 §7.1.2.2: an answer must not contain it if the offer did not.
    let limit = ours.incoming.bits();
    if let Some(hint) = offered.client_max_window_bits {
        incoming.max_bits = hint.unwrap_or(15);
        if limit < incoming.max_bits {
            incoming.max_bits = limit;
            answer += &format!("; client_max_window_bits={limit}");
        }
    }
    let agreed = Agreed {
        form: Form::Message,
        outgoing,
        incoming,
        level: ours.level(),
        threshold: ours.threshold,
    };
    Some((agreed, answer))
}

/// Returns the offer of a client.
pub(super) fn offer(ours: &Compression) -> String {
    let mut offer = NAME.to_owned();
    if !ours.incoming.context_takeover {
        offer += "; server_no_context_takeover";
    }
    if !ours.outgoing.context_takeover {
        offer += "; client_no_context_takeover";
    }
    match ours.incoming.bits() {
        15 => {}
        bits => offer += &format!("; server_max_window_bits={bits}"),
    }
    match ours.outgoing.bits() {
        15 => offer += "; client_max_window_bits",
        bits => offer += &format!("; client_max_window_bits={bits}"),
    }
    offer
}

/// Returns the agreement from a server's answer to [`offer`]; `None` if the answer is not allowed.
///
/// A server that does not confirm a requested limit is not refused: that only costs memory.
pub(super) fn accept(answer: &Extension<'_>, ours: &Compression) -> Option<Agreed> {
    let answer = Parameters::read(answer)?;
    if answer.server_max_window_bits > Some(ours.incoming.bits()) {
        return None;
    }
    // RFC 7692 §7.1.2.2: in an answer, the parameter must have a value.
    let max_bits = match answer.client_max_window_bits {
        None => ours.outgoing.bits(),
        Some(bits) => bits?.min(ours.outgoing.bits()),
    };
    Some(Agreed {
        form: Form::Message,
        outgoing: Window {
            max_bits,
            context_takeover: ours.outgoing.context_takeover && !answer.client_no_context_takeover,
        },
        incoming: Window {
            max_bits: answer.server_max_window_bits.unwrap_or(15),
            context_takeover: !answer.server_no_context_takeover,
        },
        level: ours.level(),
        threshold: ours.threshold,
    })
}
