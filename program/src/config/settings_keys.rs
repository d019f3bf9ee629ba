//! The keys of [`Settings`].

use polysock::BinaryOverText;
use polysock::protocols::ProxyVersion;
use polysock::upstream::ForwardedStyle;

use super::form::{Choice, List, Maybe, Switch};
use super::headers;
use super::key::{Key, Section};
use super::rewrite::{prefix, rewrite};
use super::settings::{OnReload, Settings};
use super::words::{
    OriginList, Place, Protocols, count, duration, level, network, number, optional_count,
    optional_duration, rate, size, subprotocol, upstream_host, window_bits,
};
use super::{exec, gates, queue, wamp};

/// The keys of a route that `[defaults]` has as well.
pub(super) fn keys() -> Vec<Key<Settings>> {
    let parts = [
        admission(),
        gates::keys(),
        upstream(),
        upstream_tls(),
        limits(),
        deadlines(),
        compression(),
        rest(),
    ];
    parts.into_iter().flatten().collect()
}

/// The keys of admission.
fn admission() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "protocols",
            Protocols,
            |settings: &mut Settings| &mut settings.protocols,
            "The protocols that are spoken: names, or \"all\", \"modern\", \"legacy\", \"default\".",
        ),
        Key::new(
            "origins",
            Maybe(OriginList),
            |settings: &mut Settings| &mut settings.origins,
            "The pages that may connect, as \"https://example.com\" or \"https://*.example.com\"; \"same-origin\" for \
             those of the host that is asked for, \"*\" for any, \"null\" for pages without a name, \"none\" for \
             clients that send none. Others are told 403. Not given: any, with a warning where others than this \
             machine may connect.",
        )
        .example("[\"*\"]"),
        Key::new(
            "subprotocols",
            List(subprotocol()),
            |settings| &mut settings.subprotocols,
            "The subprotocols that are spoken, the preferred first. Empty: those that clients offer.",
        ),
        Key::new(
            "binary_over_text",
            Choice(&[
                ("close", BinaryOverText::Close),
                ("base64", BinaryOverText::Base64),
            ]),
            |settings| &mut settings.binary_over_text,
            "How binary messages travel to clients whose protocol has none: as \"base64\" text, or not at all, \
             which closes the connection (\"close\").",
        ),
    ]
}

/// The keys of the upstream, and of the requests that it receives.
fn upstream() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "tokens",
            Maybe(Place),
            |settings: &mut Settings| &mut settings.tokens,
            "Where {token} of a target leads, as with websockify: a file of lines `token: HOST:PORT` or \
             `token: unix:PATH`, or a directory of such files, read again when they change. A token that the \
             route's path does not name is that of the query: ?token=NAME. Not given: {token} is the address \
             itself.",
        )
        .example("\"/etc/polysock/tokens\""),
        Key::new(
            "allow",
            List(network()),
            |settings| &mut settings.allow,
            "The networks that a target may be in, whatever its name is looked up to be. Empty: any.",
        ),
        Key::new(
            "strip_prefix",
            prefix(),
            |settings| &mut settings.strip_prefix,
            "The beginning that the path of a request loses before the upstream is asked, by segments: \
             \"/vnc/{token}\"; or \"none\".",
        ),
        Key::new(
            "rewrite",
            rewrite(),
            |settings| &mut settings.rewrite,
            "The path that the upstream is asked for in place of the client's, which may have the {name}s of the \
             route's: \"/app?room={room}\"; or \"none\". The client's query goes along.",
        ),
        Key::new(
            "upstream_host",
            upstream_host(),
            |settings| &mut settings.upstream_host,
            "The Host that an upstream is asked for: its own (\"target\"), that of the client (\"keep\"), or another, as \
             \"app.example\".",
        ),
        Key::new(
            "forwarded",
            Choice(&[
                ("x-forwarded", ForwardedStyle::XForwarded),
                ("forwarded", ForwardedStyle::Forwarded),
                ("both", ForwardedStyle::Both),
                ("none", ForwardedStyle::None),
            ]),
            |settings| &mut settings.forwarded,
            "The fields that tell an upstream who asks: \"x-forwarded\", \"forwarded\" (RFC 7239), \"both\", \
             \"none\".",
        ),
        Key::new(
            "proxy_protocol",
            Choice(&[
                ("none", None),
                ("v1", Some(ProxyVersion::V1)),
                ("v2", Some(ProxyVersion::V2)),
            ]),
            |settings| &mut settings.proxy_protocol,
            "The PROXY header that an upstream is sent first: \"v1\", \"v2\" or \"none\".",
        ),
        Key::new(
            "request_headers",
            Section {
                title: "`request_headers`",
                keys: headers::keys,
            },
            |settings: &mut Settings| &mut settings.request_headers,
            "What becomes of the fields of a request.",
        ),
        Key::new(
            "response_headers",
            Section {
                title: "`response_headers`",
                keys: headers::keys,
            },
            |settings: &mut Settings| &mut settings.response_headers,
            "What becomes of the fields of an answer.",
        ),
    ]
}

/// The keys of TLS to the upstream.
#[cfg(feature = "tls")]
fn upstream_tls() -> Vec<Key<Settings>> {
    vec![Key::new(
        "upstream_tls",
        Section {
            title: "`upstream_tls`",
            keys: super::upstream_tls::keys,
        },
        |settings: &mut Settings| &mut settings.upstream_tls,
        "How the servers of wss://, tls:// and https:// are met, unless their [upstream.NAME] says it.",
    )]
}

#[cfg(not(feature = "tls"))]
fn upstream_tls() -> Vec<Key<Settings>> {
    Vec::new()
}

/// The keys of size and rate limits.
fn limits() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "max_message",
            Maybe(size()),
            |settings: &mut Settings| &mut settings.max_message,
            "The largest message, or \"none\". Not given: 1MiB for an application, 16KiB for the chat, none for an \
             upstream, through which messages pass in pieces.",
        )
        .example("\"1MiB\""),
        Key::new(
            "max_frame",
            size(),
            |settings| &mut settings.limits.frame,
            "The largest frame, or \"none\".",
        ),
        Key::new(
            "max_fragments",
            number(),
            |settings| &mut settings.limits.fragments,
            "The most fragments of a message.",
        ),
        Key::new(
            "max_messages_per_second",
            optional_count(),
            |settings| &mut settings.max_messages_per_second,
            "The most messages a second that a client may send, or \"none\".",
        ),
        Key::new(
            "max_bytes_per_second",
            rate(),
            |settings| &mut settings.terms.max_bytes_per_second,
            "The most bytes a second that a client may send, or \"none\". It is read no faster.",
        ),
        Key::new(
            "max_connections",
            count(),
            |settings| &mut settings.connections.total,
            "The most WebSockets of a route, or \"none\". The next are told 503.",
        ),
        Key::new(
            "max_connections_per_address",
            count(),
            |settings| &mut settings.connections.per_address,
            "The most of them from one address, or one /64 of IPv6, or \"none\". This machine's are not counted.",
        ),
    ]
}

/// The keys of timeouts.
fn deadlines() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "handshake_timeout",
            duration(),
            |settings: &mut Settings| &mut settings.handshake_timeout,
            "How long what is behind may take to answer an opening handshake; then its client is told 504.",
        ),
        Key::new(
            "connect_timeout",
            duration(),
            |settings| &mut settings.connect_timeout,
            "How long an upstream may take to be there, its opening handshake included.",
        ),
        Key::new(
            "answer_timeout",
            duration(),
            |settings| &mut settings.answer_timeout,
            "How long a web server may take to begin its answer; then its client is told 504.",
        ),
        Key::new(
            "body_timeout",
            optional_duration(),
            |settings| &mut settings.body_timeout,
            "How long the body of a request or of its answer may stand still, or \"none\".",
        ),
        Key::new(
            "close_timeout",
            duration(),
            |settings| &mut settings.close_timeout,
            "How long a client may take to answer our close.",
        ),
        Key::new(
            "idle_timeout",
            optional_duration(),
            |settings| &mut settings.idle_timeout,
            "How long a client may be silent, or \"none\".",
        ),
        Key::new(
            "upstream_idle_timeout",
            optional_duration(),
            |settings| &mut settings.upstream_idle_timeout,
            "How long an upstream may be silent, or \"none\".",
        ),
        Key::new(
            "max_age",
            optional_duration(),
            |settings| &mut settings.terms.max_age,
            "How old a connection may become before it is closed, or \"none\".",
        ),
        Key::new(
            "send_timeout",
            optional_duration(),
            |settings| &mut settings.terms.send_timeout,
            "How long a client may take nothing of what is sent to it before it is cut, or \"none\".",
        ),
        Key::new(
            "ping_interval",
            optional_duration(),
            |settings| &mut settings.ping_interval,
            "After how much silence a client is pinged, or \"none\". The kernel is asked to look after peers as \
             often.",
        ),
        Key::new(
            "pong_timeout",
            duration(),
            |settings| &mut settings.pong_timeout,
            "How long a client may take to answer a ping, no longer than ping_interval.",
        ),
    ]
}

/// The keys of compression.
fn compression() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "compression",
            Switch,
            |settings: &mut Settings| &mut settings.compression.clients,
            "Whether messages are compressed for clients that offer it.",
        ),
        Key::new(
            "upstream_compression",
            Switch,
            |settings| &mut settings.compression.upstreams,
            "Whether compression is offered to an upstream.",
        ),
        Key::new(
            "compression_level",
            level(),
            |settings| &mut settings.compression.level,
            "How much work goes into a message: 1 (fastest) to 9 (smallest).",
        ),
        Key::new(
            "compression_threshold",
            size(),
            |settings| &mut settings.compression.threshold,
            "Messages shorter than this go out as they are.",
        ),
        Key::new(
            "window_bits",
            window_bits(),
            |settings| &mut settings.compression.window_bits,
            "How far back compressed data may refer: 9 (512 bytes) to 15 (32 KiB).",
        ),
        Key::new(
            "context_takeover",
            Switch,
            |settings| &mut settings.compression.context_takeover,
            "Whether messages may refer to those before them: alike ones become much smaller, for up to 380 KiB a \
             connection.",
        ),
    ]
}

/// The keys of access logs and reloads, and those of some targets only.
fn rest() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "access_log",
            Switch,
            |settings| &mut settings.access_log,
            "Whether the log has a line at the open and the close of each connection, and for each request.",
        ),
        Key::new(
            "on_reload",
            Choice(&[("close", OnReload::Close), ("keep", OnReload::Keep)]),
            |settings: &mut Settings| &mut settings.on_reload,
            "What becomes of the connections when a reload changes or removes the route: \"close\" or \"keep\".",
        ),
        Key::new(
            "drain",
            duration(),
            |settings| &mut settings.drain,
            "The time over which they are closed.",
        ),
        Key::new(
            "queue",
            Section {
                title: "`queue`",
                keys: queue::keys,
            },
            |settings| &mut settings.queue,
            "What waits for clients of app:chat, app:broadcast and app:wamp that are slower than what is said there.",
        ),
        Key::new(
            "exec",
            Section {
                title: "`exec`",
                keys: exec::keys,
            },
            |settings| &mut settings.exec,
            "How the process of an exec: target is run.",
        ),
        Key::new(
            "wamp",
            Section {
                title: "`wamp`",
                keys: wamp::keys,
            },
            |settings| &mut settings.wamp,
            "How clients of app:wamp are served.",
        ),
    ]
}
