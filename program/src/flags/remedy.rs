//! Remedies as options of `polysock serve`.

use polysock::OriginPattern;
use polysock::protocols::DEFAULT_PROTOCOLS;
use polysock_instrument::Remedy;

/// The options of `polysock serve` that would accept the client unchanged, if there are any.
pub(crate) fn flag(remedy: &Remedy) -> Option<String> {
    match remedy {
        Remedy::SpeakProtocol { protocol, spoken } => {
            let default = DEFAULT_PROTOCOLS.iter().map(|protocol| protocol.name());
            let list = if spoken.iter().copied().eq(default) {
                "default".to_owned()
            } else {
                spoken.join(",")
            };
            let comma = if list.is_empty() { "" } else { "," };
            Some(format!("--protocols {list}{comma}{protocol}"))
        }
        // An invalid origin cannot be listed.
        Remedy::LetOriginIn(origin) => Some(match OriginPattern::of_client(origin.as_deref()) {
            Some(origin) => format!("--origin {origin}"),
            None => "--origin '*'".to_owned(),
        }),
        Remedy::AnswerFlashPolicy => Some("--flash-policy".to_owned()),
        Remedy::SpeakHttp2 => Some("--http2 on".to_owned()),
        _ => None,
    }
}

/// The advice for a remedy without an option.
pub(crate) fn advice(remedy: &Remedy) -> String {
    match remedy {
        Remedy::EndTlsInFront => "terminate TLS at a proxy in front, and set --secure".to_owned(),
        Remedy::ShortenHead => {
            "make the client send less (long heads are mostly cookies), or raise --max-head"
                .to_owned()
        }
        Remedy::EnableProtocol => "enable the protocol with --protocols".to_owned(),
        other => other.to_string(),
    }
}
